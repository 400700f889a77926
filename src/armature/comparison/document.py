"""A whole comparison as plain data: what the terminal, the page, Markdown, LaTeX and W&B are made from."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from armature.comparison import examined
from armature.comparison.judging import Judged
from armature.comparison.seeds import Group
from armature.errors import UserError
from armature.evaluation import significance, systems
from armature.evaluation.bootstrap import Sample, draw, plain
from armature.evaluation.seed_noise import Summary, summarise
from armature.reports.scores import bare, lower_is_better

Document = dict[str, Any]

TESTS = (
    "Intervals and p-values of differences: paired bootstrap over images, the noise of seeds added where there are "
    "several, Student's t; corrected for the number of comparisons by Holm's rule. Permutation p (outputs swapped by "
    "image) is in comparison.json."
)

#: Costs that are drawn against accuracy (``armature cost``), and their titles.
PRICES = {
    "cost/parameters": "parameters",
    "cost/MACs": "MACs of an image",
    "cost/memory": "peak memory, bytes",
    "cost/latency/total": "latency, ms",
}
#: What of the conditions of a cost measurement must be alike for a picture of several.
_CONDITIONS = ("device", "threads", "precision", "canvas", "people", "outputs", "torch")


@dataclass(frozen=True)
class Settings:
    """What is compared and how surely.

    Attributes:
        metric: decides. metrics: the other columns. resamples, level, seed, workers: of the bootstrap.
    """

    metric: str
    metrics: tuple[str, ...]
    resamples: int = 1000
    level: float = 0.95
    seed: int = 0
    workers: int = 1


def primary(groups: Sequence[Group], asked: str | None = None) -> str:
    """The metric that decides: the one asked for, else what the first run was monitored by, else AP."""
    if asked:
        return bare(asked) or asked
    monitored = [m.config["monitor"] for group in groups for m in group.members if m.config.get("monitor")]
    return bare(monitored[0]) or "AP" if monitored else "AP"


def compose(
    groups: Sequence[Group], judged: Mapping[str, Judged], settings: Settings, remarks: Sequence[str] = ()
) -> Document:
    """The comparison, best system first; NaN is None everywhere, so that it is JSON.

    Args:
        judged: by the contenders' names.

    Raises:
        UserError: a metric that there is not.
    """
    ranked = _ranked(groups, judged, settings)
    together = [systems.Group(g.name, tuple(judged[m.name].system for m in g.members)) for g in ranked]
    names = (settings.metric, *(name for name in settings.metrics if name != settings.metric))
    samples = draw(together, names, settings.resamples, settings.seed, settings.workers)
    summaries = {(s.name, s.metric): s for s in summarise(samples, settings.level)}
    comparisons = _comparisons(samples, settings) if len(together) > 1 else []
    described = [_system(group, judged, names, summaries) for group in ranked]
    _against_first(described, comparisons, settings.metric)
    return _plain(
        {
            "metric": settings.metric,
            "metrics": list(names[1:]),
            "level": settings.level,
            "resamples": settings.resamples,
            "interval_note": "" if all(g.n > 1 for g in ranked) else "; of one seed: of the images only",
            "test_note": TESTS,
            "slice_note": "AP, others ignored; means over seeds",
            "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"),
            "runs": sum(g.n for g in ranked),
            "images": len(ranked[0].members[0].truth.image_ids),
            "people": int((~ranked[0].members[0].truth.ignored).sum()),
            "remarks": [*remarks, *_seed_remarks(ranked), *_cost_remarks(ranked)],
            "protocol": _protocol(judged),
            "systems": described,
            "comparisons": comparisons,
            "slices": _slices(ranked, judged),
            "costs": _costs(ranked, summaries, settings.metric),
            "suites": examined.tables(ranked),
        }
    )


def _ranked(groups: Sequence[Group], judged: Mapping[str, Judged], settings: Settings) -> list[Group]:
    """The groups by the mean of the deciding metric, best first; those without a number come last."""
    sign = 1 if lower_is_better(settings.metric) else -1

    def key(group: Group) -> float:
        values = [_number(judged[m.name], settings.metric) for m in group.members]
        mean = sum(values) / len(values)
        return math.inf if math.isnan(mean) else sign * mean

    return sorted(groups, key=key)


def _number(one: Judged, name: str) -> float:
    numbers = one.verdict.numbers | one.diagnosis.errors
    if name not in numbers:
        whole = sorted(n for n in numbers if "/" not in n or n.startswith("error"))
        raise UserError(f"compare: there is no metric '{name}'; there are {', '.join(whole[:40])}")
    return numbers[name]


def _comparisons(samples: Sequence[Sample], settings: Settings) -> list[dict[str, Any]]:
    """All pairs in the deciding metric, which is the family that is corrected; others are shown by their intervals.

    Args:
        samples: whose first metric decides.
    """
    decisive = [
        replace(
            s, names=s.names[:1], estimates=s.estimates[:, :1], resampled=s.resampled[:, :, :1], parts=s.parts[:, :, :1]
        )
        for s in samples
    ]
    found = significance.compare_samples(
        decisive,
        settings.resamples,
        settings.seed,
        settings.level,
        lower=lower_is_better,
        workers=settings.workers,
    )
    return [c.to_dict() | {"low": c.corrected.low, "high": c.corrected.high} for c in found]


def _system(
    group: Group, judged: Mapping[str, Judged], names: Sequence[str], summaries: Mapping[tuple[str, str], Summary]
) -> dict[str, Any]:
    members = [judged[m.name] for m in group.members]
    return {
        "name": group.name,
        "n": group.n,
        "numbers": {name: _summary(summaries[group.name, name]) for name in names},
        "keypoints": _means([{k: v for k, v in m.verdict.numbers.items() if "/" in k} for m in members]),
        "errors": _means([m.diagnosis.errors for m in members]),
        "calibration": _calibration(members),
        "curves": _curves(members, names[0]),
        "differences": group.differences,
        "members": [_member(m, names[0]) for m in members],
    }


def _summary(found: Summary) -> dict[str, Any]:
    interval = found.interval
    return {
        "estimate": found.mean,
        "low": interval.low,
        "high": interval.high,
        "sd": found.standard_deviation,
        "n": found.n,
        "values": list(found.values),
        "seeds_covered": found.seeds_covered,
        "method": interval.method,
    }


def _calibration(members: Sequence[Judged]) -> dict[str, Any]:
    """Mean numbers over seeds, the first seed's diagram, and the numbers that matter in a sentence."""
    numbers = _means([m.diagnosis.calibration.numbers() for m in members])
    gain = {name: numbers[f"calibration/{name}"] - numbers["calibration/AP"] for name in ("AP/fitted", "AP/true_OKS")}
    ece, noise = numbers["calibration/ECE"], numbers["calibration/ECE/noise"]
    said = "no calibration error: scores are no probabilities" if math.isnan(ece) else f"ECE {ece:.3f}"
    said += "" if math.isnan(noise) else f" (perfect scores: {noise:.3f})"
    said += f"; rank correlation with OKS {numbers['calibration/spearman']:.2f}"
    said += f"; rescoring would add {gain['AP/fitted']:+.3f} AP, perfect scores {gain['AP/true_OKS']:+.3f}"
    return {"numbers": numbers, "figure": members[0].diagnosis.calibration.figures()["people"], "summary": said}


def _member(one: Judged, metric: str) -> dict[str, Any]:
    provenance = one.contender.provenance
    return {
        "path": str(one.contender.path),
        "seed": one.contender.config.get("seed"),
        "value": _number(one, metric),
        "commit": str(provenance.get("code", {}).get("commit") or "")[:8],
        "command": provenance.get("command", ""),
    }


def _means(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each number over seeds; NaN where a seed has none."""
    return {name: sum(row.get(name, math.nan) for row in rows) / len(rows) for name in rows[0]}


def _curves(members: Sequence[Judged], metric: str) -> dict[str, list[tuple[float, float]]]:
    """The metric at each validation, mean over the seeds that got there: by epoch, and by minutes."""
    points: dict[float, list[tuple[float, float]]] = {}
    for member in members:
        history = member.contender.history
        columns = [history.get(name, []) for name in ("epoch", "seconds", f"val/{metric}")]
        for epoch, seconds, value in zip(*columns, strict=False):
            if epoch is not None and value is not None:
                points.setdefault(epoch, []).append((seconds or 0.0, value))
    means = [(e, *(sum(column) / len(column) for column in zip(*p, strict=True))) for e, p in sorted(points.items())]
    return {"epochs": [(e, v) for e, _, v in means], "minutes": [(s / 60, v) for _, s, v in means]}


def _against_first(described: Sequence[dict[str, Any]], comparisons: Sequence[Mapping[str, Any]], metric: str) -> None:
    """Writes into each system but the first how it stands against that."""
    first = described[0]["name"]
    for system in described[1:]:
        for c in comparisons:
            if c["metric"] == metric and {c["a"], c["b"]} == {first, system["name"]}:
                mirrored = {"better": "worse", "worse": "better"}.get(c["verdict"], c["verdict"])
                system["against_best"] = c["verdict"] if c["a"] == system["name"] else mirrored


def _seed_remarks(groups: Sequence[Group]) -> list[str]:
    alone = [g.name for g in groups if g.n == 1]
    if not alone:
        return []
    who = "Each system has" if len(alone) == len(groups) else f"{', '.join(alone)}:"
    return [f"{who} one seed only: the uncertainty shown is that of the images; another seed may differ by more."]


def _cost_remarks(groups: Sequence[Group]) -> list[str]:
    """What keeps costs from being compared: some were not measured, or under other conditions."""
    costs = {g.name: next((m.cost for m in g.members if m.cost), {}) for g in groups}
    known = {name: cost["conditions"] for name, cost in costs.items() if cost.get("conditions")}
    missing = [name for name in costs if name not in known]
    unlike = [c for c in _CONDITIONS if len({str(conditions.get(c)) for conditions in known.values()}) > 1]
    said = (
        [f"Costs were measured under unlike conditions ({', '.join(unlike)}): do not compare them."] if unlike else []
    )
    if known and missing:
        said.append(f"No cost is known of {', '.join(missing)}: run `armature cost run=RUN`.")
    return said


def _protocol(judged: Mapping[str, Judged]) -> dict[str, Any]:
    """The card lines by which all were judged here: what is the evaluator's, and alike for all."""
    cards = [one.verdict.card for one in judged.values()]
    return {k: v for k, v in cards[0].items() if all(card.get(k) == v for card in cards) and v != "not stated"}


def _slices(groups: Sequence[Group], judged: Mapping[str, Judged]) -> list[dict[str, Any]]:
    """AP of each slice for every system, in their order."""
    rows = []
    tables = [[judged[m.name].slices for m in group.members] for group in groups]
    for index, first in enumerate(tables[0][0]):
        values = [sum(table[index]["AP"] for table in members) / len(members) for members in tables]
        known = [v for v in values if not math.isnan(v)]
        if first["people"] and known:
            label = f"{first['kind'].replace('_', ' ')} {first['name']}"
            rows.append(
                {"name": label, "people": first["people"], "metric": "AP", "values": values, "best": max(known)}
            )
    return rows


def _costs(
    groups: Sequence[Group], summaries: Mapping[tuple[str, str], Summary], metric: str
) -> dict[str, list[dict[str, Any]]]:
    """Points of accuracy against each cost that was measured of at least two systems."""
    found: dict[str, list[dict[str, Any]]] = {}
    for group in groups:
        cost = next((m.cost for m in group.members if m.cost), {})
        accuracy = summaries[group.name, metric]
        for title, value in _prices(cost).items():
            point = {"name": group.name, "cost": value, "accuracy": accuracy.mean}
            found.setdefault(title, []).append(point | {"low": accuracy.interval.low, "high": accuracy.interval.high})
    return {title: points for title, points in found.items() if len(points) > 1}


def _prices(cost: Mapping[str, Any]) -> dict[str, float]:
    """The costs that are worth a picture, by their title; those that were not measured are left out."""
    numbers = cost.get("numbers") or {}
    return {title: numbers[name] for name, title in PRICES.items() if numbers.get(name) is not None}


def _plain(value: Any) -> Any:
    """The same with None for NaN, at any depth, lists included."""
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return plain({"": value})[""]
