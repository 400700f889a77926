"""Flat metrics sorted into what a reader asks for: headline, pixel errors, per keypoint, missing buckets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from armature.evaluation.direction import lower_is_better
from armature.evaluation.keypoint_groups import GROUP

#: The numbers that lead every table, in this order.
HEADLINE = ("AP", "AP50", "AP75", "APm", "APl", "AR")
MISSING = "–"  # noqa: RUF001
_STATISTICS = {"mean", "median", "max", "min", "std", "p90", "p95", "p99"}
_SPLITS = ("val", "test", "train")

Scores = dict[str, "float | None"]


def number(value: Any) -> float | None:
    """The value as a float; None where there was nothing to measure: null, NaN, infinite, text, or COCO's -1."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not hasattr(value, "__float__"):
        return None
    found = float(value)
    return None if not math.isfinite(found) or found == -1.0 else found


def main_split(metrics: Mapping[str, Any]) -> str:
    """The split that the metrics speak of: ``val`` if it is there, else the first known one, else ""."""
    found = {name.split("/", 1)[0] for name in metrics if "/" in name}
    return next((s for s in _SPLITS if s in found), "")


def of_split(metrics: Mapping[str, Any], split: str | None = None) -> Scores:
    """``{"AP": 0.5, "APm": None, ...}`` of one split, without its prefix; None picks ``main_split``.

    Metrics that carry no split prefix at all belong to every split.
    """
    split = main_split(metrics) if split is None else split
    bare = {k: number(v) for k, v in metrics.items() if k.split("/", 1)[0] not in _SPLITS}
    mine = {k[len(split) + 1 :]: number(v) for k, v in metrics.items() if split and k.startswith(f"{split}/")}
    return {**bare, **mine}


def parts(name: str) -> tuple[str, str | None]:
    """A metric's name apart: ``("PCK@0.2", "left_wrist")``, ``("error/mean", None)``, ``("AP", None)``."""
    words = name.split("/")
    stem = 2 if len(words) > 1 and words[1] in _STATISTICS else 1
    return "/".join(words[:stem]), "/".join(words[stem:]) or None


def bare(name: str | None) -> str | None:
    """The metric without its split: ``NME`` of ``val/NME``."""
    split, mark, rest = (name or "").partition("/")
    return rest if mark and split in _SPLITS else name


def whole(scores: Mapping[str, float | None]) -> Scores:
    """The scores that are not about some keypoints only."""
    return {k: v for k, v in scores.items() if parts(k)[1] is None}


def by_keypoint(scores: Mapping[str, float | None]) -> dict[str, Scores]:
    """``{"PCK@0.2": {"nose": 0.9, ...}, ...}``: the scores that are about single keypoints."""
    return _tables({k: v for k, v in scores.items() if not (parts(k)[1] or "").startswith(GROUP)})


def by_group(scores: Mapping[str, float | None]) -> dict[str, Scores]:
    """``{"PCK@0.2": {"wrists": 0.8, ...}, ...}``: the scores that are about groups of keypoints."""
    tables = _tables({k: v for k, v in scores.items() if (parts(k)[1] or "").startswith(GROUP)})
    return {metric: {name.removeprefix(GROUP): v for name, v in table.items()} for metric, table in tables.items()}


def _tables(scores: Mapping[str, float | None]) -> dict[str, Scores]:
    tables: dict[str, Scores] = {}
    for name, value in scores.items():
        metric, part = parts(name)
        if part is not None:
            tables.setdefault(metric, {})[part] = value
    return tables


def ranking(tables: Mapping[str, Scores], primary: str | None = None) -> str | None:
    """What keypoints are ranked by: the primary metric, else AP, the middle PCK, an error, any that is measured.

    None where nothing is measured.
    """
    pcks = sorted((name for name in tables if name.startswith("PCK")), key=pck_radius)
    wishes = [
        *([primary] if primary else []),
        "AP",
        *pcks[len(pcks) // 2 :],
        *pcks,
        "error/mean",
        "error/median",
        *tables,
    ]
    return next((name for name in wishes if any(v is not None for v in tables.get(name, {}).values())), None)


def ranked(metric: str, table: Mapping[str, float | None]) -> list[tuple[str, float]]:
    """The measured keypoints of one metric, best first."""
    known = [(k, v) for k, v in table.items() if v is not None]
    return sorted(known, key=lambda item: item[1] if lower_is_better(metric) else -item[1])


def in_pixels(name: str) -> bool:
    """Whether the metric is a distance in source pixels."""
    return name.split("/")[-2 if name.count("/") else 0].lower().startswith(("error", "epe"))


def pck_radius(name: str) -> float:
    """0.2 for ``PCK@0.2``; infinite where the name has no radius."""
    try:
        return float(name.partition("@")[2].split("/")[0])
    except ValueError:
        return math.inf


def shown(name: str, value: float | None) -> str:
    """The number as it is printed: three places, pixels with their unit, an en dash where there is no ground truth."""
    if value is None:
        return MISSING
    if in_pixels(name):
        return f"{value:.2f} px"
    if "nme" in name.lower():  # a few hundredths, all of them
        return f"{value:.4f}"
    return f"{value:,.0f}" if value == int(value) and abs(value) >= 10 else f"{value:.3f}"


def seconds(value: float) -> str:
    """A span of time as people say it: ``0.8 s``, ``42 s``, ``3 min 05 s``, ``2 h 10 min``."""
    if value < 10:
        return f"{value:.1f} s"
    whole_seconds = round(value)
    if whole_seconds < 60:
        return f"{whole_seconds} s"
    if whole_seconds < 3600:
        return f"{whole_seconds // 60} min {whole_seconds % 60:02d} s"
    return f"{whole_seconds // 3600} h {whole_seconds % 3600 // 60:02d} min"


def shares(time: Mapping[str, Any]) -> list[tuple[str, float, float]]:
    """``[(part, seconds, share of the sum), ...]`` of a time split, in its own order; ``total`` is left to the sum."""
    spans = [(k, number(v)) for k, v in time.items() if k != "total"]
    known = [(k, v) for k, v in spans if v is not None and v >= 0]
    total = sum(v for _, v in known)
    return [(k, v, v / total if total else 0.0) for k, v in known]
