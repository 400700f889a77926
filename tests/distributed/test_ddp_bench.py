"""The comparison of processes with threads compares like with like, and says who lost."""

from __future__ import annotations

import pytest

from armature.bench import ddp
from armature.configuration import compose


@pytest.mark.slow
def test_both_ways_have_the_same_global_batch_and_as_many_busy_threads() -> None:
    composed = {name: compose("train", way) for name, way in ddp.ways(2, 8).items()}
    assert {name: c.data.batch_size * c.trainer.devices for name, c in composed.items()} == dict.fromkeys(composed, 8)
    assert {name: c.trainer.threads * c.trainer.devices for name, c in composed.items()} == dict.fromkeys(composed, 2)


@pytest.mark.parametrize(("rate", "code"), [(10.0, 0), (9.1, 0), (8.9, 1), (20.0, 0)])
def test_a_tenth_slower_is_allowed(rate: float, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert ddp.show({"threads": [9.0, 10.0, 11.0], "processes": [rate, rate / 2, rate * 2]}) == code
    assert f"{rate / 10:.2f}" in capsys.readouterr().out


def test_ways_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def rate(overrides: list[str], epochs: int) -> float:
        seen.append("processes" if "trainer=ddp" in overrides else "threads")
        return 5.0

    monkeypatch.setattr(ddp, "_rate", rate)
    assert ddp.main(["--rounds", "2", "data.batch_size=9"]) == 0
    assert seen == ["threads", "processes"] * 2
