"""A training that is too short to find anything says so at its start."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from omegaconf import OmegaConf

from armature.verbs import train


def said(capsys: pytest.CaptureFixture[str], epochs: int, config: dict[str, Any], limit: float = 1.0) -> str:
    data = SimpleNamespace(samples_per_epoch=None, batch_size=16, split_description=lambda: {"train": 100})
    trainer = SimpleNamespace(limit_train_batches=limit, max_epochs=epochs, world_size=1)
    train._doubt(OmegaConf.create(config), data, trainer)  # type: ignore[arg-type]
    return capsys.readouterr().out


def test_few_steps_from_scratch_are_remarked_with_what_would_do(capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, 6, {})
    assert "36 steps in all" in text and "trainer.max_epochs=84" in text and "504" in text


@pytest.mark.parametrize(
    ("epochs", "config", "limit"),
    [(50, {}, 1.0), (6, {"init": "runs/a"}, 1.0), (6, {"resume": "runs/a"}, 1.0), (1, {}, 2)],
)
def test_long_ones_and_those_that_begin_elsewhere_are_not(
    capsys: pytest.CaptureFixture[str], epochs: int, config: dict[str, Any], limit: float
) -> None:
    assert said(capsys, epochs, config, limit) == ""
