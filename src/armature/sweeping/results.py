"""What a sweep has come to, as plain data: a row for every trial, which are best, what mattered."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState

from armature.reports import sweep_page
from armature.sweeping import outcome
from armature.sweeping.claims import Claim, Watch
from armature.sweeping.folder import SweepFolder

#: Importance from fewer complete trials than this is noise.
FEWEST = 8
#: The share of trials that counts as good, for importance; Optuna's 0.1 would often be two trials.
GOOD = 0.25
#: How many trials the command that compares the best of them names.
COMPARED = 3
#: What people call Optuna's states.
STATES = {"WAITING": "waiting", "RUNNING": "running", "COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}

Row = dict[str, Any]


def rows(sweep: SweepFolder) -> list[Row]:
    """A row for every trial: number, state, epoch, epochs, values, best (of the monitor), host, params, error ...

    ``seconds`` is the work of all its attempts, without the waits between them.
    """
    watch = Watch(sweep.path / "claims", sweep.settings.grace)
    return [_row(sweep, trial, watch.attempts(trial.number)) for trial in sweep.trials()]


def _row(sweep: SweepFolder, trial: FrozenTrial, claims: Sequence[Claim]) -> Row:
    runs, claim = sweep.runs(trial.number), claims[-1] if claims else None
    curve = {int(step): value for step, value in sorted(trial.intermediate_values.items())}
    best = max if sweep.settings.objectives.get(sweep.settings.monitor, "max") == "max" else min
    state = STATES[trial.state.name]
    if state == "running" and claim is not None and claim.said["state"] == "released":
        state = "given back"
    crashes = trial.user_attrs.get("crashes", [])
    return {
        "number": trial.number,
        "state": state,
        "epoch": sum(outcome.epoch(run) for run in runs),
        "epochs": (outcome.epochs(runs[0]) or 0) * len(runs),
        "values": trial.values,
        "best": best(curve.values()) if curve else None,
        "curve": curve,
        "host": claim.host if claim else trial.user_attrs.get("host", ""),
        "job": claim.job if claim else "",
        "seconds": sum(one.seconds(sweep.settings.grace) for one in claims) if claims else None,
        "attempts": claim.attempt if claim else 0,
        "crashes": len(crashes),
        "error": trial.user_attrs.get("error", crashes[-1] if crashes else ""),
        "params": dict(trial.params),
        "overrides": trial.user_attrs.get("overrides", []),
        "point": [_brief(override) for override in trial.user_attrs.get("overrides", [])],
        "runs": [str(run.path) for run in runs if run.path.is_dir()],
    }


def _brief(override: str) -> str:
    """An override with four digits: what a reader needs; its run has all of them."""
    key, _, value = override.partition("=")
    try:
        return f"{key}={float(value):.4g}" if "." in value or "e" in value else override
    except ValueError:
        return override


def ranked(sweep: SweepFolder, found: Sequence[Row]) -> list[Row]:
    """Complete trials, best first; with several objectives, those that no other beats in all of them, by the first."""
    complete = [row for row in found if row["state"] == "complete"]
    modes = list(sweep.settings.objectives.values())
    if len(modes) > 1:
        complete = [row for row in complete if not any(_beats(other, row, modes) for other in complete)]
    return sorted(complete, key=lambda row: (_sign(modes[0]) * row["values"][0], -row["number"]), reverse=True)


def _sign(mode: str) -> int:
    return 1 if mode == "max" else -1


def _beats(a: Row, b: Row, modes: Sequence[str]) -> bool:
    """Whether a is nowhere worse than b, and somewhere better."""
    steps = [_sign(mode) * (x - y) for mode, x, y in zip(modes, a["values"], b["values"], strict=True)]
    return all(step >= 0 for step in steps) and any(step > 0 for step in steps)


def importances(sweep: SweepFolder) -> list[dict[str, Any]]:
    """How much of what was good hung on each parameter, by PED-ANOVA (Watanabe et al. 2023), for the first objective.

    One entry for what exists always, one for every condition, among the trials that met it; ``shares`` add up to 1.
    Only complete trials count, because a pruned one's value is from another epoch.
    """
    complete = [t for t in sweep.trials() if t.state == TrialState.COMPLETE]
    always = [p.name for p in sweep.space.parameters if p.condition is None]
    found = [_shares(sweep, complete, always, "")]
    for condition in dict.fromkeys(p.condition for p in sweep.space.parameters if p.condition):
        names = [p.name for p in sweep.space.parameters if p.condition == condition]
        found.append(_shares(sweep, complete, names, "=".join(condition)))
    return [entry for entry in found if entry]


def _shares(sweep: SweepFolder, trials: Sequence[FrozenTrial], names: list[str], condition: str) -> dict[str, Any]:
    trials = [t for t in trials if all(name in t.params for name in names)]
    varied = [name for name in names if len({t.params[name] for t in trials}) > 1]
    if len(trials) < FEWEST or len(varied) < 2:
        return {}
    study = optuna.create_study(directions=sweep.settings.directions)
    study.add_trials(trials)
    sign = _sign(next(iter(sweep.settings.objectives.values())))  # with a target, PED-ANOVA takes low for good
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shares = get_param_importances(
            study,
            evaluator=PedAnovaImportanceEvaluator(target_quantile=GOOD),
            params=varied,
            target=lambda trial: -sign * trial.values[0],
        )
    return {"condition": condition, "trials": len(trials), "shares": dict(shares)}


def document(sweep: SweepFolder) -> dict[str, Any]:
    """Everything that the page shows."""
    found, settings = rows(sweep), sweep.settings
    best = ranked(sweep, found)
    return {
        "name": settings.name,
        "id": sweep.path.name,
        "path": str(sweep.path),
        "objectives": dict(settings.objectives),
        "monitor": settings.monitor,
        "sampler": _plain_name(settings.sampler),
        "pruner": _plain_name(settings.pruner),
        "seed": settings.seed,
        "seeds": list(settings.seeds),
        "lag": settings.lag,
        "train": list(settings.train),
        "parameters": [
            {
                "name": p.name,
                "choices": list(p.choices),
                "log": p.log,
                "low": p.low,
                "high": p.high,
                "condition": "=".join(p.condition or ()),
            }
            for p in sweep.space.parameters
        ],
        "trials": found,
        "best": [row["number"] for row in best],
        "front": len(settings.objectives) > 1,
        "importances": importances(sweep),
        "compare": compare_command(best),
    }


def compare_command(best: Sequence[Row]) -> str:
    """What is typed to compare the best trials with confidence; "" where there are not two."""
    folders = [
        f"{row['number']}:{run}" if len(row["runs"]) == 1 else run for row in best[:COMPARED] for run in row["runs"]
    ]
    return " \\\n  ".join(["armature compare", *folders]) if len(best) > 1 else ""


def publish(sweep: SweepFolder) -> Path:
    """Writes the page, whole or not at all; its path."""
    return sweep_page.write(document(sweep), sweep.page)


def succeeded(sweep: SweepFolder) -> bool:
    """Whether there is a result."""
    return any(t.state == TrialState.COMPLETE for t in sweep.trials())


def summary(sweep: SweepFolder) -> str:
    """A few lines: how many trials came to what, the best one and how to run it alone, the page."""
    found = rows(sweep)
    counts = {state: sum(row["state"] == state for row in found) for state in dict.fromkeys(r["state"] for r in found)}
    lines = [f"{len(found)} trials: " + ", ".join(f"{count} {state}" for state, count in counts.items())]
    for row in ranked(sweep, found)[: COMPARED if len(sweep.settings.objectives) > 1 else 1]:
        values = ", ".join(f"{n} {v:.4g}" for n, v in zip(sweep.settings.objectives, row["values"], strict=True))
        lines.append(f"best    trial {row['number']}: {values}: {' '.join(row['overrides'])}")
    unfinished = sum(count for state, count in counts.items() if state in ("waiting", "running", "given back"))
    if unfinished:
        lines.append(f"go on   armature sweep resume={sweep.path}")
    return "\n".join([*lines, f"page    {sweep.page}"])


def _plain_name(part: Mapping[str, Any]) -> str:
    name = part["_target_"].rpartition(".")[2].replace("no_pruner", "none")
    options = ", ".join(f"{key} {value}" for key, value in part.items() if key != "_target_" and value is not None)
    return f"{name} ({options})" if options else name
