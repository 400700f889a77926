"""``logger=null``: a run that keeps no history and sends nothing anywhere is a run all the same."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from armature import cli
from armature.configuration import compose
from armature.errors import ConfigError
from smallest import RUN

SMALL = [
    *RUN,
    "data.train.length=16",
    "data.val.length=5",
    "trainer.max_epochs=1",
    "pictures=0",
]


@pytest.mark.long
@pytest.mark.parametrize("option", ["null", "none"])
def test_no_logger_at_all(tmp_path: Path, option: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ARMATURE_RUN_ID", raising=False)
    assert cli.main(["train", *SMALL, f"runs={tmp_path}", f"logger={option}"]) == 0
    os.environ.pop("ARMATURE_RUN_ID", None)
    (run,) = tmp_path.glob("default/*")
    assert (run / "report.html").is_file() and json.loads((run / "metrics.json").read_text())["metrics"]
    assert not (run / "history.csv").exists() and not (run / "wandb").exists()
    assert json.loads((run / "provenance.json").read_text())["wandb_id"] is None
    assert cli.main(["train", f"resume={run}", "trainer.max_epochs=2", "logger=csv"]) == 0
    assert (run / "history.csv").is_file()


def test_a_group_without_an_option_for_nothing() -> None:
    with pytest.raises(ConfigError, match=r"optimizer=null.*adamw"):
        compose("train", ["optimizer=null"])
