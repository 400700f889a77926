"""Curves over the strength of a change, one line a subject, with the intervals as a band."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from armature.reports.curves import PALETTE
from armature.suites.result import Curve, Result

#: Measures drawn, in this order; others are in the JSON.
DRAWN = ("moved", "jumps", "AP", "PCK@0.1", "error/mean", "repeatability@3", "homography@3", "error")
_ACROSS = 4
#: Strengths are marked one by one where they are no more than these.
_MARKS = 6


def save(
    results: Sequence[Result], path: Path, measures: Sequence[str] = DRAWN, order: Sequence[str] = ()
) -> Path | None:
    """Writes the curves of one suite's results as a PNG file; None where there are none.

    A panel for each kind of change and measure; several results are lines in it.

    Args:
        order: of all subjects, so that each has one colour in the curves of all suites; () is that of the results.
    """
    known = list(order) or [result.subject for result in results]
    panels = _panels(results, measures)
    if not panels:
        return None
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    columns = min(_ACROSS, len(panels))
    rows = math.ceil(len(panels) / columns)
    figure = Figure(figsize=(3.4 * columns, 2.5 * rows + 0.4), dpi=110, layout="constrained")
    for number, (kind, measure) in enumerate(panels, 1):
        axes = figure.add_subplot(rows, columns, number)
        for result in results:
            line = known.index(result.subject)
            for curve in result.curves:
                if (curve.kind, curve.measure) == (kind, measure):
                    _line(axes, curve, result.subject, PALETTE[line % len(PALETTE)])
        _dress(axes, kind, measure, results)
    if len(results) > 1:
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=min(4, len(labels)), frameon=False, fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    return path


def _panels(results: Sequence[Result], measures: Sequence[str]) -> list[tuple[str, str]]:
    there = [(c.kind, c.measure) for r in results for c in r.curves if len(c.points) > 1]
    return [panel for measure in measures for panel in dict.fromkeys(there) if panel[1] == measure]


def _line(axes, curve: Curve, name: str, colour: str) -> None:  # type: ignore[no-untyped-def]
    kept = [(s, p) for s, p in zip(curve.strengths, curve.points, strict=True) if math.isfinite(p.estimate)]
    if not kept:
        return
    strengths = [s for s, _ in kept]
    axes.plot(strengths, [p.estimate for _, p in kept], "o-", ms=3, lw=1.4, color=colour, label=name)
    low, high = ([getattr(p, end) for _, p in kept] for end in ("low", "high"))
    axes.fill_between(strengths, low, high, color=colour, alpha=0.15, lw=0)


def _dress(axes, kind: str, measure: str, results: Sequence[Result]) -> None:  # type: ignore[no-untyped-def]
    unit = next(c.unit for r in results for c in r.curves if (c.kind, c.measure) == (kind, measure))
    px = " (px)" if measure in ("moved", "error/mean") else ""
    axes.set_title(f"{kind.replace('_', ' ')}: {measure}{px}", loc="left", fontsize=9)
    axes.set_xlabel(unit, fontsize=8, color="#6a707a")
    marks = sorted(
        {s for r in results for c in r.curves if (c.kind, c.measure) == (kind, measure) for s in c.strengths}
    )
    if len(marks) <= _MARKS:
        axes.set_xticks(marks, [f"{mark:g}" for mark in marks])
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color("#b9bec5")
    axes.grid(axis="y", lw=0.5, color="#e3e5e8")
    axes.tick_params(labelsize=7.5, color="#b9bec5", labelcolor="#6a707a", length=0)
    if measure in ("AP", "PCK@0.1", "jumps", "repeatability@3", "homography@3"):
        axes.set_ylim(0, 1.02 if measure != "AP" else None)
    else:
        axes.set_ylim(bottom=0)
