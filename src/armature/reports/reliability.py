"""Reliability diagrams as inline SVG: what scores promise against what came of them, and how many there are."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

_WIDTH, _HEIGHT = 280, 330
_LEFT, _RIGHT, _TOP = 36, 8, 10
#: The square of the diagram, and below it the counts.
_SIDE = _WIDTH - _LEFT - _RIGHT
_FLOOR, _DEEP = _TOP + _SIDE, 34


def diagram(figure: Mapping[str, Any]) -> Markup:
    """The diagram as an ``<svg>`` with a note, from ``Calibration.figures``: each bin a dot whose area is its count.

    A dot below the diagonal is overconfident; the line from it to the diagonal is its part in the calibration error.
    Below, a histogram of the scores.
    """
    if figure.get("reason") or not figure["count"]:
        return Markup('<p class="empty">{}: no diagram, {}</p>').format(
            figure["title"], figure.get("reason") or "there is no score to judge"
        )
    rows = list(zip(*(figure[name] for name in ("low", "high", "count", "score", "outcome")), strict=True))
    most = max(figure["count"])
    pieces = [_frame(str(figure["outcome_name"]))]
    pieces += [_gap(score, outcome) for _, _, _, score, outcome in rows]
    pieces += [_dot(row, most, str(figure["outcome_name"])) for row in rows]
    pieces.append(_bars(figure["histogram"]))
    return Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>{}').format(
        _WIDTH, _HEIGHT, f"{figure['title']}: reliability", Markup("").join(pieces), _note(figure)
    )


def _x(score: float) -> float:
    return _LEFT + _SIDE * score


def _y(outcome: float) -> float:
    return _FLOOR - _SIDE * outcome


def _frame(outcome: str) -> Markup:
    """Grid, diagonal, marks and the names of the axes."""
    marks = []
    for t in (0, 0.2, 0.4, 0.6, 0.8, 1):
        marks.append(
            Markup(
                '<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>'
                '<line class="grid" x1="{:.1f}" x2="{:.1f}" y1="{}" y2="{}"/>'
                '<text class="tick" x="{}" y="{:.1f}" text-anchor="end">{:g}</text>'
                '<text class="tick" x="{:.1f}" y="{}" text-anchor="middle">{:g}</text>'
            ).format(
                *(_LEFT, _WIDTH - _RIGHT, _y(t), _y(t), _x(t), _x(t), _TOP, _FLOOR, _LEFT - 6, _y(t) + 3.5, t),
                *(_x(t), _HEIGHT - 18, t),
            )
        )
    diagonal = Markup('<line class="axis" stroke-dasharray="4 3" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(
        _LEFT, _FLOOR, _WIDTH - _RIGHT, _TOP
    )
    names = Markup(
        '<text class="tick" x="{:.0f}" y="{}" text-anchor="middle">score, and how many</text>'
        '<text class="tick" transform="translate(9 {:.0f}) rotate(-90)" text-anchor="middle">share {}</text>'
    ).format(_LEFT + _SIDE / 2, _HEIGHT - 4, _TOP + _SIDE / 2, outcome)
    base = Markup('<line class="axis" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
        _LEFT, _WIDTH - _RIGHT, *[_FLOOR + _DEEP + 4.5] * 2
    )
    return Markup("").join([*marks, diagonal, base, names])


def _gap(score: float, outcome: float) -> Markup:
    return Markup('<line class="line s1" x1="{:.1f}" x2="{:.1f}" y1="{:.1f}" y2="{:.1f}"/>').format(
        _x(score), _x(score), _y(score), _y(outcome)
    )


def _dot(row: tuple[float, ...], most: int, outcome: str) -> Markup:
    low, high, count, score, share = row
    told = f"{count} scores from {low:.3f} to {high:.3f}: mean {score:.3f}, {share:.3f} {outcome}"
    return Markup('<circle class="dot s0" cx="{:.1f}" cy="{:.1f}" r="{:.1f}"><title>{}</title></circle>').format(
        _x(score), _y(share), 1.5 + 3.5 * math.sqrt(count / most), told
    )


def _bars(histogram: Sequence[int]) -> Markup:
    """How many scores there are where, in steps of equal width."""
    wide, most = _SIDE / len(histogram), max(histogram)
    shape = Markup('<rect class="bar" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"><title>{}</title></rect>')
    bars = []
    for i, count in enumerate(histogram):
        tall, told = _DEEP * count / most, f"{i / len(histogram):.2f} to {(i + 1) / len(histogram):.2f}: {count}"
        bars.append(shape.format(_LEFT + i * wide + 0.5, _FLOOR + _DEEP + 4 - tall, wide - 1, tall, told))
    return Markup("").join(bars)


def _note(figure: Mapping[str, Any]) -> Markup:
    noise = f" (by chance alone {figure['noise']:.3f})" if math.isfinite(figure["noise"]) else ""
    return Markup('<p class="note">{}: calibration error {:.3f}{}; {} scores in {} bins of {}</p>').format(
        figure["title"], figure["ECE"], noise, f"{sum(figure['count']):,}", len(figure["count"]), figure["bins"]
    )
