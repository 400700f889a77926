"""The checks of a pre-flight, in the order in which a run would fail by them."""

from __future__ import annotations

import difflib
import math
import textwrap
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from omegaconf import DictConfig, OmegaConf
from pytorch_lightning import seed_everything

from armature import assembly, memory, provenance, resuming
from armature.building import build
from armature.data.datamodule import KeypointData
from armature.errors import UserError
from armature.module import PoseModule
from armature.preflight import surroundings
from armature.preflight.estimate import Estimate
from armature.preflight.findings import FAIL, NOTE, Finding, Preflight, duration, size
from armature.preflight.trial import Trial, has, trial
from armature.reports import expectation

#: What Lightning says of a training without validation, on a loader that loads nothing.
_MUTED = r"(?s).*(does not have many workers|val_dataloader|validation_step|IterableDataset).*"


class Room(NamedTuple):
    """Where a run will be: whose memory it has, and how many bytes; None: as many as that machine happens to have."""

    of: str
    memory: int | None


def preflight(config: DictConfig, overrides: Sequence[str] = (), runs: int = 1, room: Room | None = None) -> Preflight:
    """Everything that can be found out about a run without starting it; never raises for what is wrong with it.

    Args:
        config: composed and resolved, of ``armature train``. overrides: as typed, which a run that goes on is given.
        runs: so many will share the disk. room: where they will be; None is this machine.
    """
    return _Flight(config, overrides, runs, room or Room("this machine", provenance.memory())).result()


class _Flight:
    """One pre-flight: each check may use what those before it have made, and is left out where that is missing."""

    def __init__(self, config: DictConfig, overrides: Sequence[str], runs: int, room: Room) -> None:
        self.config, self.overrides, self.runs, self.room = config, overrides, runs, room
        self.findings: list[Finding] = []
        self.facts: dict[str, Any] = {}

    def result(self) -> Preflight:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=_MUTED)
            self._all()
        return Preflight(tuple(self.findings), self.facts)

    def _all(self) -> None:
        memory.keep_freed()
        config = self._attempt("config", lambda: _resumed(self.config, self.overrides))
        if config is None:
            return
        self._say("config", f"{config.name}: composed")
        module = self._attempt("network", lambda: _module(config))
        data = self._attempt("data", lambda: assembly.data(config))
        if module is not None:
            self._say("network", f"{_count(module):.1f} M parameters; model, codec and losses fit together")
        if data is not None:
            self.findings += _data(data)
        if module is not None and data is not None:
            self.findings += _skeletons(config, module, data)
            if self._attempt("data", lambda: (module.metrics.bind(data.val_records()), True)):  # type: ignore[operator]
                self._steps(config, module, data)
        self.findings += surroundings.wandb(config)

    def _steps(self, config: DictConfig, module: PoseModule, data: KeypointData) -> None:
        plain: Any = OmegaConf.to_container(config.trainer)
        measured = self._attempt("first step", lambda: trial(plain, module, data))
        if measured is None:
            return
        estimate = Estimate.of(config, data, measured)
        self.facts |= {"trial": measured.plain(), "estimate": estimate.plain()}
        self.findings += [
            *_trained(config, measured),
            *_metric(config, measured),
            *_memory(measured, config, self.room),
        ]
        self.findings += [*surroundings.disk(config, measured, self.runs), _time(estimate)]

    def _say(self, check: str, what: str) -> None:
        self.findings.append(Finding(check, what))

    def _attempt(self, check: str, do: Callable[[], Any]) -> Any:
        """The result; None where it failed, which is then among the findings."""
        try:
            return do()
        except UserError as error:
            self.findings.append(Finding(check, str(error), FAIL))
        except Exception as error:  # out of memory, a kernel that is missing, our own mistakes: the run would die of it
            said = textwrap.shorten(f"{type(error).__name__}: {error}", 300)
            self.findings.append(Finding(check, said, FAIL, _remedy(error)))
        return None


def _resumed(config: DictConfig, overrides: Sequence[str]) -> DictConfig:
    expectation.check(config.get("expected"))
    return resuming.begin(config, overrides).config if config.get("resume") else config


def _module(config: DictConfig) -> PoseModule:
    seed_everything(config.seed, workers=True, verbose=False)
    return assembly.assemble(config)


def _data(data: KeypointData) -> Iterator[Finding]:
    counts = data.split_description()
    what = f"{counts.get('train', 0):,} images to learn from, {counts.get('val', 0):,} to judge by"
    if data.skipped:
        yield Finding("data", f"{what}; {len(data.skipped)} left out", NOTE, "data.on_bad_image=fail lists them")
    else:
        yield Finding("data", what)


def _skeletons(config: DictConfig, module: PoseModule, data: KeypointData) -> Iterator[Finding]:
    """Data, evaluation and config must speak of the same keypoints, and OKS of the same sigmas."""
    metric: Any = module.metrics
    named = {"data": data.skeleton, "metrics": metric.judge.skeleton, "skeleton": build(config.skeleton)}
    (first, one), *others = named.items()
    for name, other in others:
        if one.keypoints != other.keypoints:
            differ = [f"{a} / {b}" for a, b in zip(one.keypoints, other.keypoints) if a != b][:3] or ["their number"]
            what = f"keypoints of {first} ('{one.name}') and of {name} ('{other.name}') differ: {', '.join(differ)}"
            yield Finding("skeleton", what, FAIL, "choose skeleton=... to fit the data")
            return
    # Data of several skeletons is judged on one of them: its own sigmas need not be there.
    if one.sigmas is not None and list(one.sigmas) != list(metric.judge.sigmas):
        source = metric.judge.sigma_source
        yield Finding("skeleton", f"OKS is judged by sigmas of {source}, not by those of the data ('{one.name}')", NOTE)
    elif named["metrics"].sigmas is None:
        advice = "armature data sigmas measures them from repeated labels"
        yield Finding(
            "skeleton", f"'{one.name}' has no sigmas: OKS is judged by {metric.judge.sigma_source}", NOTE, advice
        )
    else:
        yield Finding("skeleton", f"'{one.name}', {one.count} keypoints, sigmas of {metric.judge.sigma_source}")


def _trained(config: DictConfig, measured: Trial) -> Iterator[Finding]:
    losses = ", ".join(f"{name.removeprefix('train/')} {value:.3g}" for name, value in measured.losses.items())
    if not measured.finite:
        advice = "a lower learning rate, or trainer.precision=32-true"
        yield Finding("first step", f"losses after {measured.steps} steps: {losses}", FAIL, advice)
        return
    where = f"{measured.device}, {measured.precision}, {measured.steps} steps"
    if has(str(config.trainer.get("accelerator"))):
        yield Finding("first step", f"{where}: {losses}")
    else:
        advice = "seconds and memory say nothing about the GPU; the same on a GPU node does"
        yield Finding("first step", f"no GPU here, tried on {where}: {losses}", NOTE, advice)


def _metric(config: DictConfig, measured: Trial) -> Iterator[Finding]:
    known = [*measured.metrics, *measured.losses]
    if config.monitor in known:
        yield Finding("monitor", f"{config.monitor} decides which checkpoint is best")
        return
    near = difflib.get_close_matches(config.monitor, known, 1)
    advice = f"did you mean {near[0]}?" if near else f"there are {', '.join(known[:6])}, ..."
    yield Finding("monitor", f"validation does not measure {config.monitor}", FAIL, advice)


def _memory(measured: Trial, config: DictConfig, room: Room) -> Iterator[Finding]:
    processes = surroundings.local_processes(config)
    needed = processes * (measured.peak + measured.workers)
    parts = f"weights {size(measured.weights)}, optimizer {size(measured.optimizer)}, average {size(measured.average)}"
    what = f"{size(measured.peak)} a process at its highest ({parts}), {size(measured.workers)} its loader"
    what += f"; {processes} processes" if processes > 1 else ""
    there = room.memory
    if there is None:
        yield Finding("memory", f"{what}; what {room.of} has is not known here")
    elif needed > there:
        advice = "a smaller data.batch_size, or fewer data.workers"
        advice += ", or launcher.mem" if room.of == "the job" else ""
        yield Finding("memory", f"{what}: more than the {size(there)} of {room.of}", FAIL, advice)
    else:
        level = NOTE if needed > 0.8 * there else "ok"
        yield Finding("memory", f"{what}; of the {size(there)} of {room.of}", level)
    if measured.cuda is not None:
        yield _gpu(measured.cuda)


def _gpu(used: int) -> Finding:
    total = provenance.accelerators()[0]["memory"]
    level = FAIL if used > total else NOTE if used > 0.9 * total else "ok"
    advice = "a smaller data.batch_size" if level != "ok" else ""
    return Finding("GPU memory", f"{size(used)} at its highest, of {size(total)}", level, advice)


def _time(estimate: Estimate) -> Finding:
    each = f"{1000 * estimate.seconds_per_step:.0f} ms a step, {estimate.loader_share:.0%} of it waiting for the loader"
    what = f"{estimate.steps:,} steps, about {duration(estimate.total)} ({each}"
    what += f"; validation {duration(estimate.validation)} in all)"
    if not math.isfinite(estimate.total) or estimate.steps == 0:
        return Finding("time", f"{estimate.steps} steps: nothing would be learned", FAIL, "trainer.max_epochs")
    if surroundings.busy():
        return Finding("time", what, NOTE, "this machine is busy with other things; the run may well be faster")
    if estimate.loader_share > 0.3:
        return Finding("time", what, NOTE, "more data.workers, or pictures that are smaller on the disk")
    return Finding("time", what)


def _remedy(error: Exception) -> str:
    return "a smaller data.batch_size" if "out of memory" in str(error) else ""


def _count(module: PoseModule) -> float:
    return sum(p.numel() for p in module.model.parameters()) / 1e6
