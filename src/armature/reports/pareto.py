"""Accuracy against one cost, as inline SVG: who is beaten by nobody on both, and by how much the others are."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from markupsafe import Markup

from armature.reports.svg import log_ticks, ticks

_WIDTH, _HEIGHT = 460, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 14, 12, 40
#: Of a label: height, width of a letter (10.5 px sans serif, a little on the safe side), distance from its dot.
_LINE, _LETTER, _APART = 12.0, 6.0, 7.0

#: Of names: a halo of paper keeps them readable where they must cross a line.
_INK = "fill:var(--ink);font-size:10.5px;paint-order:stroke;stroke:var(--paper);stroke-width:3px"

#: A system is a dict of ``name``, ``accuracy`` and ``cost``; ``low``, ``high`` bound the accuracy, ``cost_low``,
#: ``cost_high`` the cost, where they are given and not None.
System = Mapping[str, Any]
_Box = tuple[float, float, float, float]


class _Dot(NamedTuple):
    x: float
    y: float
    name: str
    series: int
    best: bool
    system: System


def front(systems: Sequence[System]) -> list[int]:
    """Indices of the systems that no other dominates, cheapest first.

    One dominates another that is neither more accurate nor cheaper, and worse in one of the two. Equals stay both.
    """
    order = sorted(range(len(systems)), key=lambda i: (systems[i]["cost"], -systems[i]["accuracy"]))
    kept: list[int] = []
    for i in order:
        last = systems[kept[-1]] if kept else None
        now = systems[i]
        equal = last is not None and (now["cost"], now["accuracy"]) == (last["cost"], last["accuracy"])
        if last is None or now["accuracy"] > last["accuracy"] or equal:
            kept.append(i)
    return kept


def scatter(systems: Sequence[System], cost: str, accuracy: str = "AP", higher_is_better: bool = True) -> Markup:
    """The chart as an ``<svg>``: cost to the right on a logarithmic axis, accuracy up, the front as a staircase.

    Systems without a finite accuracy or without a cost above 0 are left out and named below the chart. A system's
    colour is that of its place in the list, so that several charts of the same list agree.

    Args:
        cost, accuracy: what the axes are called, with units ("latency, ms").
        higher_is_better: False where the accuracy is an error: then the front is that of small errors.
    """
    shown = [(i, s) for i, s in enumerate(systems) if _drawable(s)]
    missing = [str(s["name"]) for s in systems if not _drawable(s)]
    if not shown:
        return Markup('<p class="empty">no system has both {} and {}</p>').format(accuracy, cost)
    sign = 1 if higher_is_better else -1
    best = {shown[k][0] for k in front([{**s, "accuracy": sign * s["accuracy"]} for _, s in shown])}
    xs, ys, axes = _axes([s for _, s in shown], cost, accuracy)
    dots = [_Dot(xs(s["cost"]), ys(s["accuracy"]), str(s["name"]), i % 8, i in best, s) for i, s in shown]
    steps, whiskers = _steps([d for d in dots if d.best]), [_whiskers(d, xs, ys) for d in dots]
    lines = [*steps, *itertools.chain.from_iterable(whiskers)]
    pieces = [axes, _staircase(steps)]
    pieces += [_stroke(line, d.series) for d, own in zip(dots, whiskers, strict=True) for line in own]
    pieces += [_circle(d, cost, accuracy) for d in dots] + [_labels(dots, lines)]
    chart = Markup('<svg class="chart pareto" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        _WIDTH, _HEIGHT, f"{accuracy} against {cost}", Markup("").join(pieces)
    )
    note = Markup('<p class="note">without a place here: {}</p>').format(", ".join(missing)) if missing else Markup("")
    return chart + note


def _drawable(system: System) -> bool:
    accuracy, cost = system.get("accuracy"), system.get("cost")
    return accuracy is not None and cost is not None and math.isfinite(accuracy) and math.isfinite(cost) and cost > 0


def _axes(
    systems: Sequence[System], cost: str, accuracy: str
) -> tuple[Callable[[float], float], Callable[[float], float], Markup]:
    """Maps from cost and accuracy to places, and the grid with its names."""
    costs = [v for s in systems for v in (s["cost"], s.get("cost_low"), s.get("cost_high")) if v and v > 0]
    values = [v for s in systems for v in (s["accuracy"], s.get("low"), s.get("high")) if v is not None and v == v]
    low, high = _wide(math.log10(min(costs)), math.log10(max(costs)), 0.08, 0.15)
    bottom, top = _wide(min(values), max(values), 0.08, 0.02 * max(map(abs, values)))

    def xs(value: float) -> float:
        return _LEFT + (_WIDTH - _RIGHT - _LEFT) * (math.log10(value) - low) / (high - low)

    def ys(value: float) -> float:
        return _HEIGHT - _BOTTOM - (_HEIGHT - _BOTTOM - _TOP) * (value - bottom) / (top - bottom)

    pieces = [_across(ys(t), f"{t:g}") for t in ticks(bottom, top, 5)]
    pieces += [_upward(xs(t), _amount(t)) for t in _cost_ticks(10**low, 10**high)]
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    pieces.append(
        Markup('<text class="tick" x="{:.0f}" y="{}" text-anchor="middle">{}</text>').format(middle, _HEIGHT - 6, cost)
    )
    pieces.append(
        Markup('<text class="tick" transform="translate(11 {:.0f}) rotate(-90)" text-anchor="middle">{}</text>').format(
            (_TOP + _HEIGHT - _BOTTOM) / 2, accuracy
        )
    )
    return xs, ys, Markup("").join(pieces)


def _wide(low: float, high: float, share: float, least: float) -> tuple[float, float]:
    """The range with a margin on both sides, never empty."""
    margin = max((high - low) * share, least)
    return low - margin, high + margin


def _cost_ticks(low: float, high: float) -> list[float]:
    """Marks of a logarithmic axis; round numbers at equal steps where there is hardly a power of ten."""
    marks = log_ticks(low, high)
    return marks if len(marks) >= 3 else [t for t in ticks(low, high, 5) if t > 0]


def _across(y: float, text: str) -> Markup:
    return Markup(
        '<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>'
        '<text class="tick" x="{}" y="{:.1f}" text-anchor="end">{}</text>'
    ).format(_LEFT, _WIDTH - _RIGHT, y, y, _LEFT - 6, y + 3.5, text)


def _upward(x: float, text: str) -> Markup:
    return Markup(
        '<line class="grid" x1="{:.1f}" x2="{:.1f}" y1="{}" y2="{}"/>'
        '<text class="tick" x="{:.1f}" y="{}" text-anchor="middle">{}</text>'
    ).format(x, x, _TOP, _HEIGHT - _BOTTOM, x, _HEIGHT - _BOTTOM + 14, text)


def _steps(best: Sequence[_Dot]) -> list[_Box]:
    """The front's segments: at each cost, the best accuracy that is to be had for it."""
    ordered = sorted(best, key=lambda d: d.x)
    ends = [*(d.x for d in ordered[1:]), float(_WIDTH - _RIGHT)]
    flat = [(d.x, d.y, end, d.y) for d, end in zip(ordered, ends, strict=True)]
    return [*flat, *((b.x, a.y, b.x, b.y) for a, b in itertools.pairwise(ordered))]


def _staircase(steps: Sequence[_Box]) -> Markup:
    path = "".join("M{:.1f} {:.1f}L{:.1f} {:.1f}".format(*step) for step in steps)
    return Markup('<path class="axis" fill="none" stroke-dasharray="4 3" d="{}"/>').format(path)


def _whiskers(dot: _Dot, xs: Callable[[float], float], ys: Callable[[float], float]) -> list[_Box]:
    """Intervals of accuracy and of cost as lines, where both ends are known."""
    s, lines = dot.system, []
    if s.get("low") is not None and s.get("high") is not None:
        lines.append((dot.x, ys(s["low"]), dot.x, ys(s["high"])))
    if (s.get("cost_low") or 0) > 0 and s.get("cost_high"):
        lines.append((xs(s["cost_low"]), dot.y, xs(s["cost_high"]), dot.y))
    return lines


def _stroke(line: _Box, series: int) -> Markup:
    return Markup('<path class="line s{}" d="M{:.1f} {:.1f}L{:.1f} {:.1f}"/>').format(series, *line)


def _circle(dot: _Dot, cost: str, accuracy: str) -> Markup:
    """A full dot on the front, a hollow one behind it."""
    s, hollow = dot.system, Markup("") if dot.best else Markup(' style="fill:var(--paper);stroke:var(--c)"')
    bounds = f" ({s['low']:.4g} to {s['high']:.4g})" if s.get("low") is not None and s.get("high") is not None else ""
    what = f"{dot.name}: {accuracy} {s['accuracy']:.4g}{bounds}, {cost} {s['cost']:.4g}"
    shape = Markup(
        '<circle class="dot s{}" cx="{:.1f}" cy="{:.1f}" r="4" stroke-width="1.6"{}><title>{}</title></circle>'
    )
    return shape.format(dot.series, dot.x, dot.y, hollow, what)


def _labels(dots: Sequence[_Dot], lines: Sequence[_Box]) -> Markup:
    """Names beside their dots, each where it covers the least of other names, dots, lines and the border."""
    taken: list[_Box] = [(d.x - 5, d.y - 5, d.x + 5, d.y + 5) for d in dots]
    taken += [(min(a, c) - 1, min(b, d) - 1, max(a, c) + 1, max(b, d) + 1) for a, b, c, d in lines]
    texts = []
    for dot in sorted(dots, key=lambda d: (not d.best, d.y)):
        box, anchor = min(_places(dot), key=lambda place: _covered(place[0], taken))
        taken.append(box)
        x = {"start": box[0], "end": box[2], "middle": (box[0] + box[2]) / 2}[anchor]
        texts.append(
            Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}" style="{}">{}</text>').format(
                x, box[3] - 3, anchor, _INK, dot.name
            )
        )
    return Markup("").join(texts)


def _places(dot: _Dot) -> list[tuple[_Box, str]]:
    """Where a name may stand, the favourite first: right, left, above, below, then the corners, then further away."""
    wide, found = len(dot.name) * _LETTER, []
    for far in (1.0, 2.0, 3.2):
        away = _APART * far
        for dx, dy in ((1, 0), (-1, 0), (0, -1), (0, 1), (1, -1), (1, 1), (-1, -1), (-1, 1)):
            anchor = {1: "start", -1: "end", 0: "middle"}[dx]
            left = {1: dot.x + away, -1: dot.x - away - wide, 0: dot.x - wide / 2}[dx]
            top = dot.y + dy * (away + _LINE / 2) * (1.0 if dx == 0 else 0.8) - _LINE / 2
            found.append(((left, top, left + wide, top + _LINE), anchor))
    return found


def _covered(box: _Box, taken: Sequence[_Box]) -> float:
    """px^2 that a label shares with what is there, and (dearer) how much of it lies outside the chart."""
    shared = sum(
        max(0.0, min(box[2], t[2]) - max(box[0], t[0])) * max(0.0, min(box[3], t[3]) - max(box[1], t[1])) for t in taken
    )
    outside = max(0.0, _LEFT - box[0]) + max(0.0, box[2] - _WIDTH + 2) + max(0.0, _TOP - box[1])
    return shared + 20 * (outside + max(0.0, box[3] - (_HEIGHT - _BOTTOM)))


def _amount(value: float) -> str:
    """A mark of the cost axis: ``500 M``, ``0.2``."""
    for power, prefix in ((12, "T"), (9, "G"), (6, "M"), (3, "k")):
        if value >= 10**power:
            return f"{value / 10**power:g} {prefix}"
    return f"{value:g}"
