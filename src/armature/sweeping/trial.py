"""One trial: its point, its trainings as child processes, what they report, and how it ends."""

from __future__ import annotations

import copy
import math
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from armature import ranks
from armature.cli import USER_ERROR
from armature.errors import UserError
from armature.run_folder import RUN_VARIABLE, RunFolder
from armature.sweeping import claims, knowledge, outcome
from armature.sweeping.child import Child
from armature.sweeping.claims import Claim
from armature.sweeping.folder import SweepFolder

#: Seconds between two looks at a training.
POLL = 0.2
#: ``tracking.SWEEP_VARIABLE``, whose home imports Lightning: tags the W&B runs of a sweep with its name.
SWEEP_VARIABLE = "ARMATURE_SWEEP"
#: Exit codes of a training that was asked to stop.
STOPPED = tuple(128 + number for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1))


class Released(Exception):
    """The worker was asked to stop; the trial waits for another one, with what it has."""


class Lost(Exception):
    """Another worker has taken the trial."""


class Pruned(Exception):
    """The trial is not worth going on with."""

    def __init__(self, value: float) -> None:
        self.value = value


class Failed(Exception):
    """The trial cannot be brought to an end."""


@dataclass
class TrialRun:
    """A trial in the hands of this process.

    Args:
        stopping: whether this process was asked to stop.
    """

    sweep: SweepFolder
    number: int
    claim: Claim
    stopping: Callable[[], bool]
    _judged: set[int] = field(default_factory=set)
    _stamp: int = 0

    # ------------------------------------------------------------------ from start to end

    def run(self) -> str:
        """Brings the trial to its end, or as far as this process gets; how that was, in a few words.

        Raises:
            Released: this process is to stop. Lost: the trial is somebody else's.
        """
        try:
            self._wait_for_orphan()
            self._begin()
            values = [self._trained(run, seed) for run, seed in self._runs()]
            return self._finish(TrialState.COMPLETE, [self._mean(values, name) for name in self._settings.objectives])
        except Pruned as stop:
            return self._finish(TrialState.PRUNED, [stop.value])
        except (Failed, UserError) as error:
            return self.fail(error)
        except Released:
            self.claim.say(state="released", end=time.time())
            raise
        except UpdateFinishedTrialError as error:
            raise Lost from error

    def fail(self, error: Exception) -> str:
        """Records the trial as failed, with its error."""
        self._note("error", str(error))
        return self._finish(TrialState.FAIL, None)

    @property
    def _settings(self) -> Any:
        return self.sweep.settings

    def _now(self) -> FrozenTrial:
        return self.sweep.trials()[self.number]

    @property
    def _id(self) -> int:
        return self._now()._trial_id

    def _runs(self) -> list[tuple[RunFolder, int]]:
        seeds = self._settings.seeds or [self._settings.seed]
        return list(zip(self.sweep.runs(self.number), seeds, strict=True))

    def _note(self, name: str, value: Any) -> None:
        self.sweep.storage.set_trial_user_attr(self._id, name, value)

    def _finish(self, state: TrialState, values: list[float] | None) -> str:
        if values and any(math.isnan(v) for v in values):
            self._note("error", f"{', '.join(self._settings.objectives)} came out as {values}: nothing to go by")
            state, values = TrialState.FAIL, None
        self.sweep.storage.set_trial_state_values(self._id, state, values)
        self.claim.say(state="finished", end=time.time())
        if state == TrialState.FAIL:
            return f"failed: {self._now().user_attrs['error'].splitlines()[-1]}"
        shown = ", ".join(f"{n} {v:.4g}" for n, v in zip(self._settings.objectives, values or [], strict=False))
        return f"{'pruned at' if state == TrialState.PRUNED else 'done:'} {shown}"

    # ------------------------------------------------------------------ its point

    def _begin(self) -> None:
        """The trial's parameters in the study, where an earlier worker has not put them all."""
        trial = self._now()
        if trial.state == TrialState.WAITING:
            self.sweep.storage.set_trial_state_values(self._id, TrialState.RUNNING)
        if "overrides" not in trial.user_attrs:
            drawn = knowledge.draw(
                self.sweep.space,
                self.sweep.trials(),
                self.number,
                self._settings.lag,
                self.sweep.blank_study(self.number),
            )
            self._write(drawn)
        self._note("host", self.claim.host)
        if "pruned" in trial.user_attrs:
            raise Pruned(trial.user_attrs["pruned"])

    def _write(self, drawn: knowledge.Drawn) -> None:
        storage, trial_id = self.sweep.storage, self._id
        for parameter in self.sweep.space.parameters:
            if parameter.name in drawn.params:
                distribution = parameter.distribution()
                value = distribution.to_internal_repr(drawn.params[parameter.name])
                storage.set_trial_param(trial_id, parameter.name, value, distribution)
        for name, value in drawn.attributes.items():
            storage.set_trial_system_attr(trial_id, name, value)
        self._note("overrides", self.sweep.space.overrides(drawn.params))

    # ------------------------------------------------------------------ its trainings

    def _trained(self, run: RunFolder, seed: int) -> dict[str, float]:
        """The objectives of one training, which is begun, gone on with, or only read."""
        while not outcome.is_done(run):
            code, words = self._attempt(run, self._training(run, seed))
            if code:
                self._crashed(code, words)
        self._judge(run)
        if any(name.startswith("cost/") for name in self._settings.objectives):
            while not run.cost.is_file():
                command = [sys.executable, "-m", "armature", *self._settings.options, "cost", f"run={run.path}"]
                code, words = self._attempt(run, [*command, *self._settings.cost])
                if code:
                    self._crashed(code, words)
        return outcome.measured(run, self._settings.objectives)

    def _training(self, run: RunFolder, seed: int) -> list[str]:
        settings = self._settings
        program = settings.program or [sys.executable, "-m", "armature", *settings.options, "train"]
        if outcome.can_go_on(run):
            return [*program, f"resume={run.path}"]
        own = [f"runs={self.sweep.path}", "name=trials", f"seed={seed}"]
        if settings.wandb:
            own += [f"logger.wandb.group={self.sweep.path.name}", f"logger.wandb.name={self.sweep.path.name}-{run.id}"]
        return [*program, *settings.train, *self._now().user_attrs["overrides"], *own]

    def _attempt(self, run: RunFolder, command: list[str]) -> tuple[int, str]:
        """One process from start to end; its exit code and last words."""
        child = Child(command, run.path / "log.txt", self._environment(run))
        self.claim.say(child=child.pid, child_born=claims.born(child.pid))
        beat = 0.0
        try:
            while child.code() is None:
                if time.monotonic() > beat:
                    beat = time.monotonic() + self._settings.grace / 6
                    self._hold(child)
                if self.stopping() or self.sweep.asked_to_stop() == "now":
                    raise Released
                self._judge(run)
                time.sleep(POLL)
        except BaseException:
            child.end(self._settings.grace)
            raise
        self._check_signalled(child.process.returncode)
        return child.process.returncode, child.last_words()

    def _environment(self, run: RunFolder) -> dict[str, str]:
        """Whatever started this worker, a trial's processes are a run of their own, with its folder known."""
        known = ranks.alone()
        if self._settings.program:  # which may start several ranks, who must find each other
            del known[ranks.ALONE]
        return known | {RUN_VARIABLE: run.id, SWEEP_VARIABLE: self.sweep.study_name}

    def _check_signalled(self, code: int) -> None:
        """A cluster signals worker and training alike, and the training may be the first to end.

        Raises:
            Released: that is what happened.
        """
        deadline = time.monotonic() + 2.0
        while code in STOPPED and not self.stopping() and time.monotonic() < deadline:
            time.sleep(POLL)
        if code in STOPPED and self.stopping():
            raise Released

    def _hold(self, child: Child) -> None:
        if not self.claim.touch():
            child.kill()
            raise Lost

    def _crashed(self, code: int, words: str) -> None:
        """Counts a crash.

        Raises:
            Failed: it was one too many, or a mistake in the config, which a further attempt would only repeat.
        """
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit {code}"
        errors = [*self._now().user_attrs.get("crashes", []), f"{how}\n{words}"]
        self._note("crashes", errors)
        if code == USER_ERROR or len(errors) > self._settings.retries:
            raise Failed(errors[-1])

    def _judge(self, run: RunFolder) -> None:
        """Hands what was measured since to the study, and asks at each epoch whether to go on.

        Raises:
            Pruned: the pruner says no. The epochs of the first seed are what it looks at.
        """
        if run.path != self._runs()[0][0].path or len(self._settings.objectives) > 1 or not self._has_news(run):
            return
        found = outcome.progress(run, self._settings.monitor)
        for epoch in sorted(set(found) - self._judged):
            self.sweep.storage.set_trial_intermediate_value(self._id, epoch, found[epoch])
            if epoch != outcome.epochs(run):  # at the last one nothing is left to be saved
                self._ask(epoch, found[epoch])
            self._judged.add(epoch)

    def _has_news(self, run: RunFolder) -> bool:
        stamp = run.history.stat().st_mtime_ns if run.history.is_file() else 0
        news, self._stamp = stamp != self._stamp, stamp
        return news

    def _ask(self, epoch: int, value: float) -> None:
        """The verdict is written down before anything follows from it: the next worker must not come to another one."""
        trial = copy.deepcopy(self._now())
        trial.intermediate_values = {e: v for e, v in trial.intermediate_values.items() if e <= epoch}
        study = self.sweep.blank_study(self.number)
        verdict, attributes = knowledge.should_stop(self.sweep.trials(), trial, self._settings.lag, study)
        if verdict:
            self._note("pruned", value)
        for name, new in attributes.items():
            if trial.system_attrs.get(name) != new:
                self.sweep.storage.set_trial_system_attr(self._id, name, new)
        if verdict:
            raise Pruned(value)

    def _mean(self, values: list[dict[str, float]], name: str) -> float:
        if len(values) > 1:
            self._note(f"seeds of {name}", [v[name] for v in values])
        return outcome.mean(values, name)

    def _wait_for_orphan(self) -> None:
        """A worker that was killed leaves a training that writes its last checkpoint; two must not write."""
        before = claims.Watch(self.claim.path.parent, self._settings.grace).orphan(self.claim)
        deadline = time.monotonic() + self._settings.grace
        while before and claims.is_alive(*before):
            if time.monotonic() > deadline:
                os.kill(before[0], signal.SIGKILL)
            self.claim.touch()
            time.sleep(POLL)
