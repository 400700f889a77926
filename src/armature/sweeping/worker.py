"""A worker: takes up one trial after another until the sweep is complete or somebody says stop."""

from __future__ import annotations

import os
import platform
import signal
import time
from collections.abc import Callable
from typing import Any

from optuna.trial import FrozenTrial

from armature.errors import Interrupted
from armature.sweeping import knowledge
from armature.sweeping.claims import DEATHS, Claim, Watch
from armature.sweeping.folder import SweepFolder
from armature.sweeping.trial import Failed, Lost, Released, TrialRun

#: Seconds between two looks at a sweep in which nothing can be taken up.
WAIT = 0.5


#: SIGUSR1 is what a cluster's job gets before its time is up; the exit code tells it to queue the worker again.
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)


class Worker:
    """Works on a sweep in this process, with one child process at a time.

    Args:
        wrote: called after every trial that has ended here, to write the results anew.
    """

    def __init__(self, sweep: SweepFolder, wrote: Callable[[SweepFolder], Any] = lambda sweep: None) -> None:
        self.sweep, self.wrote = sweep, wrote
        self.watch = Watch(sweep.path / "claims", sweep.settings.grace)
        self.received: int | None = None

    def work(self) -> None:
        """Returns when no trial is left, or when the sweep was asked to stop.

        Raises:
            Interrupted: this process was asked to stop; its trial has been given back.
        """
        old = {number: signal.signal(number, self._handle) for number in SIGNALS}
        try:
            while not self.received and not self.sweep.asked_to_stop() and (left := self._left()):
                if not self._turn(left):
                    time.sleep(WAIT)
        except Released:
            pass
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)
        if self.received:
            message = f"worker stopped; go on with: armature sweep resume={self.sweep.path}"
            raise Interrupted(message, 128 + self.received)

    def _handle(self, number: int, frame: Any) -> None:
        if self.received and number == signal.SIGINT:  # a cluster may repeat the others
            raise KeyboardInterrupt
        self.received = self.received or number

    def _left(self) -> list[FrozenTrial]:
        return [trial for trial in self.sweep.trials() if not trial.state.is_finished()]

    def _turn(self, left: list[FrozenTrial]) -> bool:
        """Whether a trial was taken up: the first that nobody has and that may know what it has to know."""
        trials = self.sweep.trials()
        for trial in left:
            before = self.watch.latest(trial.number)
            if not knowledge.ready(trials, trial.number, self.sweep.settings.lag):
                return False
            if self.watch.is_free(before) and (claim := self.watch.take(trial.number, before)):
                if self.sweep.trials()[trial.number].state.is_finished():  # its worker was just saying so
                    claim.path.unlink()
                    continue
                self._take(trial.number, claim)
                return True
        return False

    def _take(self, number: int, claim: Claim) -> None:
        again = f", taken up again from {self._before(claim)}" if claim.attempt > 1 else ""
        _say(f"trial {number}: begins{again}")
        trial = TrialRun(self.sweep, number, claim, lambda: self.received is not None)
        try:
            if self.watch.deaths(number) >= DEATHS:
                said = trial.fail(Failed(f"{DEATHS} workers died on it without a word; out of memory?"))
            else:
                said = trial.run()
        except Lost:
            _say(f"trial {number}: another worker has it")
        else:
            _say(f"trial {number}: {said}")
            self._write()

    def _write(self) -> None:
        """Results can be written again at any time: what is wrong with them ends no worker."""
        try:
            self.wrote(self.sweep)
        except Exception as error:
            _say(f"the results were not written: {type(error).__name__}: {error}")

    def _before(self, claim: Claim) -> str:
        file = claim.path.with_name(f"{claim.number:04d}.{claim.attempt - 1:03d}.json")
        earlier = self.watch.read(file)
        return f"{earlier.host} ({'given back' if earlier.said['state'] == 'released' else 'dead'})"


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {platform.node()}/{os.getpid()} {text}", flush=True)
