"""Estimated sigmas as a table, as data, and the curve of AP against sigma as a picture."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from armature.evaluation.sigmas import Estimate
from armature.reports.curves import PALETTE
from armature.reports.scores import MISSING

Curve = Mapping[str, Sequence[float]]
#: An interval from fewer pairs than these is a rough one.
FEW = 30


def rows(estimate: Estimate, present: Sequence[float] | None) -> list[dict[str, Any]]:
    """A row for each keypoint: ``keypoint``, ``pairs``, ``sigma``, ``low``, ``high`` and ``present``, the skeleton's.

    Args:
        present: K sigmas that the skeleton has, or None.
    """
    columns = (estimate.names, estimate.counts.tolist(), estimate.sigmas.tolist(), estimate.low.tolist())
    known = present if present is not None else [None] * len(estimate.names)
    fields = ("keypoint", "pairs", "sigma", "low", "high", "present")
    return [dict(zip(fields, row, strict=True)) for row in zip(*columns, estimate.high.tolist(), known, strict=True)]


def show(estimate: Estimate, present: Sequence[float] | None, title: str, left_out: Mapping[str, int]) -> None:
    """Prints the table, who could not be used, and what the numbers are not."""
    bound = "<= sigma" if estimate.upper_bound else "sigma"
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", caption_justify="left")
    for name in ("keypoint", "pairs", bound, f"{estimate.level:.0%} interval", "skeleton's"):
        table.add_column(name, justify="left" if name == "keypoint" else "right")
    for row in rows(estimate, present):
        interval = f"{_text(row['low'])} to {_text(row['high'])}"
        table.add_row(row["keypoint"], f"{row['pairs']:,}", _text(row["sigma"]), interval, _text(row["present"]))
    console = Console(highlight=False)
    console.print(table)
    for line in remarks(estimate, left_out):
        console.print(line, soft_wrap=True)


def remarks(estimate: Estimate, left_out: Mapping[str, int]) -> list[str]:
    """Sentences that belong with the numbers."""
    how = "median" if estimate.robust else "root mean square"
    said = [f"{estimate.people:,} people in {estimate.images:,} images; {how}; intervals by a bootstrap over images"]
    if estimate.upper_bound:
        said.append("upper bounds: a network's own error is in these numbers, so the annotators' sigmas are smaller")
    if gone := [f"{count:,} {reason}" for reason, count in left_out.items() if count]:
        said.append(f"left out: {', '.join(gone)}")
    if few := [n for n, count in zip(estimate.names, estimate.counts, strict=True) if count < FEW]:
        said.append(f"fewer than {FEW} pairs, so rough: {', '.join(few)}")
    return said


def save_curve(curves: Mapping[str, Curve], path: Path) -> Path:
    """Writes the picture (PNG or SVG, by the name's ending) with one line for each set of sigmas.

    Args:
        curves: by name, ``factor`` and ``AP`` of each as ``evaluation.sigmas.curve`` gives them.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.4, 3.6), dpi=130, layout="constrained")
    axes = figure.add_subplot()
    for i, (name, curve) in enumerate(curves.items()):
        axes.plot(curve["factor"], curve["AP"], label=name, color=PALETTE[i % len(PALETTE)], lw=2, marker="o", ms=3)
    axes.axvline(1, color="#b9bec5", lw=0.8, zorder=0)
    axes.set_xscale("log", base=2)
    ticks = [0.25, 0.5, 1, 2, 4]
    axes.set_xticks(ticks, [f"{tick:g}x" for tick in ticks])
    axes.set_ylim(0, 1)
    axes.set_title("AP when all sigmas are multiplied", loc="left", fontsize=10)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color("#b9bec5")
    axes.grid(axis="y", lw=0.5, color="#e3e5e8")
    axes.tick_params(which="both", labelsize=8, labelcolor="#6a707a", length=0)
    axes.legend(fontsize=8, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    return path


def _text(value: float | None) -> str:
    return MISSING if value is None or math.isnan(value) else f"{value:.4f}"
