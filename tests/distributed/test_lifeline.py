"""The connection to the first rank, in processes that import nothing heavy."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from armature.errors import UserError
from armature.lifeline import SETTLE, Ended, Hub, Line

pytestmark = pytest.mark.slow

fork = multiprocessing.get_context("fork")


def _rank(number: int, port: int, token: str, act: Callable[[Line], None]) -> None:
    line = Line(number, token, lambda: ("127.0.0.1", port), patience=5)
    try:
        assert line.given() == {"what": "this"}
    except Ended as end:
        os._exit(40 + end.code)
    act(line)
    os._exit(0)


def peaceful(line: Line) -> None:
    line.bye()


def killed(line: Line) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def killed_with_a_child(line: Line) -> None:
    """A loader process outlives its parent for seconds; it must not keep the connection open."""
    if os.fork() == 0:
        time.sleep(20)
        os._exit(0)
    os.kill(os.getpid(), signal.SIGKILL)


def raising(line: Line) -> None:
    line.failed("Traceback\nValueError: mine", 1)
    time.sleep(60)


def complaining(line: Line) -> None:
    line.failed("Traceback\nRuntimeError: gloo: Connection closed by peer", 1)
    time.sleep(60)


def waiting(line: Line) -> None:
    time.sleep(60)


def crew(*acts: Callable[[Line], None]) -> tuple[Hub, list[Any]]:
    """A hub, and processes that do something once they have been given the run."""
    hub = Hub(len(acts) + 1, "secret", "127.0.0.1")
    started = [fork.Process(target=_rank, args=(i, hub.port, "secret", act)) for i, act in enumerate(acts, 1)]
    for process in started:
        process.start()
    hub.give({"what": "this"})
    return hub, started


def test_everybody_leaves_in_peace() -> None:
    hub, started = crew(peaceful, peaceful)
    assert hub.left(5)
    hub.close()
    for process in started:
        process.join(5)
        assert process.exitcode == 0
    assert hub.lost is None


@pytest.mark.parametrize("act", [killed, killed_with_a_child])
def test_a_killed_process_is_noticed_and_ends_the_others(act: Callable, capfd: pytest.CaptureFixture[str]) -> None:
    begun = time.monotonic()
    hub, started = crew(act, waiting)
    lost = hub.verdict()
    assert lost is not None and lost.rank == 1 and not lost.text
    started[1].join(5)
    assert started[1].exitcode == 1 and time.monotonic() - begun < SETTLE + 2
    hub.close()
    assert "rank 1" in capfd.readouterr().err


@pytest.mark.parametrize("acts", [(raising, complaining), (complaining, raising), (complaining, killed)])
def test_the_cause_is_told_from_its_consequences(acts: tuple, capfd: pytest.CaptureFixture[str]) -> None:
    hub, started = crew(*acts)
    lost = hub.verdict()
    cause = 1 if acts[0] is raising else 2
    assert lost is not None and lost.rank == cause
    for process in started:
        process.join(5)
        assert process.exitcode in (1, -signal.SIGKILL)
    hub.close()
    said = capfd.readouterr().err
    assert f"rank {cause}" in said and "gloo" not in said


def test_others_end_when_the_first_one_does() -> None:
    def first(pipe: Any) -> None:
        hub = Hub(2, "secret", "127.0.0.1")
        pipe.send(hub.port)
        hub.give({"what": "this"})
        time.sleep(60)

    here, there = fork.Pipe()
    leader = fork.Process(target=first, args=(there,))
    leader.start()
    other = fork.Process(target=_rank, args=(1, here.recv(), "secret", waiting))
    other.start()
    time.sleep(0.5)
    os.kill(leader.pid or 0, signal.SIGKILL)
    leader.join(5)
    other.join(5)
    assert other.exitcode == 1


def test_a_stranger_gets_nothing() -> None:
    hub = Hub(2, "secret", "127.0.0.1")
    hub.give({"what": "this"})
    stranger = Line(1, "guess", lambda: ("127.0.0.1", hub.port), patience=5)
    with pytest.raises(Ended):
        stranger.given()
    hub.close()


def test_nobody_there() -> None:
    with pytest.raises(UserError, match=r"rank 0 is not to be found at 127\.0\.0\.1:9"):
        Line(1, "secret", lambda: ("127.0.0.1", 9), patience=0.3)


def test_a_first_rank_that_cannot_begin_ends_those_who_wait() -> None:
    hub, started = Hub(2, "secret", "127.0.0.1"), []
    started = [fork.Process(target=_rank, args=(1, hub.port, "secret", waiting))]
    started[0].start()
    time.sleep(0.3)
    hub.close("no such config", 2)
    started[0].join(5)
    assert started[0].exitcode == 42
