"""Charts as inline SVG that takes its colours from the page, and so follows light and dark."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

from markupsafe import Markup, escape

from armature.reports.curves import Chart

_WIDTH, _HEIGHT = 280, 176
_LEFT, _RIGHT, _TOP, _BOTTOM = 36, 6, 8, 24


def line_chart(chart: Chart) -> Markup:
    """The chart as an ``<svg>``: axis, grid, one path per line; the numbers ride along for the page's read-out."""
    low, high = _bounds(chart)
    xs = _scale(min(chart.epochs), max(chart.epochs), _LEFT, _WIDTH - _RIGHT)
    ys = _scale(_lift(low, chart.log), _lift(high, chart.log), _HEIGHT - _BOTTOM, _TOP)
    pieces = [_grid(chart, low, high, ys), _epoch_axis(chart.epochs, xs)]
    names = list(chart.lines)
    for i in sorted(range(len(names)), key=lambda i: names[i] == chart.lead):
        pieces.append(_line(chart, names[i], i, xs, ys))
    data = json.dumps(
        {"x": list(chart.epochs), "px": [round(xs(e), 1) for e in chart.epochs], "lines": dict(chart.lines)}
    )
    return Markup(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}" data-chart="{}">{}'
        '<line class="cursor" y1="{}" y2="{}"/></svg>'
    ).format(_WIDTH, _HEIGHT, chart.title, data, Markup("").join(pieces), _TOP, _HEIGHT - _BOTTOM)


def histogram(values: Sequence[float], bins: int = 20) -> Markup:
    """Counts of scores in [0, 1] as bars."""
    counts = [0] * bins
    for v in values:
        counts[min(max(int(v * bins), 0), bins - 1)] += 1
    width, tallest = (_WIDTH - 20) / bins, max(max(counts), 1)
    rect = Markup('<rect class="bar" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"><title>{}</title></rect>')
    bars = [
        rect.format(
            10 + i * width,
            90 - 80 * c / tallest,
            width - 1.5,
            80 * c / tallest,
            f"{i / bins:.2f} to {(i + 1) / bins:.2f}: {c}",
        )
        for i, c in enumerate(counts)
    ]
    ticks = [
        Markup('<text class="tick" x="{:.0f}" y="106" text-anchor="middle">{}</text>').format(10 + t * (_WIDTH - 20), t)
        for t in (0, 0.5, 1)
    ]
    base = Markup('<line class="axis" x1="10" x2="{}" y1="90.5" y2="90.5"/>').format(_WIDTH - 10)
    return Markup(
        '<svg class="chart" viewBox="0 0 {} 112" role="img" aria-label="scores of the predictions">{}</svg>'
    ).format(_WIDTH, Markup("").join([*bars, base, *ticks]))


def ticks(low: float, high: float, count: int = 4) -> list[float]:
    """Round numbers between low and high, about ``count`` of them, steps of 1, 2 or 5 times a power of ten."""
    span = high - low
    if not span > 0:
        return [low]
    raw = span / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 12) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten between low and high, with 2 and 5 times them where there are few."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    marks = (1, 2, 5) if sum(low <= 10.0**p <= high for p in powers) <= 2 else (1,)
    return [t for p in powers for m in marks if low <= (t := float(f"{m}e{p}")) <= high]


def _bounds(chart: Chart) -> tuple[float, float]:
    if chart.bounds:
        return chart.bounds
    values = [v for line in chart.lines.values() for v in line if v is not None]
    low, high = min(values), max(values)
    if chart.log:
        return low / 1.15, high * 1.15
    margin = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
    return (0.0 if 0 <= low < 0.4 * high else low - margin), high + margin


def _scale(low: float, high: float, start: float, stop: float):  # type: ignore[no-untyped-def]
    """A map from [low, high] to [start, stop]; a single value goes to the middle."""
    span = high - low
    return lambda v: start + (stop - start) * ((v - low) / span if span else 0.5)


def _lift(value: float, log: bool) -> float:
    return math.log10(value) if log else value


def _grid(chart: Chart, low: float, high: float, ys) -> Markup:  # type: ignore[no-untyped-def]
    marks = log_ticks(low, high) if chart.log else ticks(low, high, 5 if chart.bounds == (0.0, 1.0) else 4)
    lines = [
        Markup(
            '<line class="{}" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>'
            '<text class="tick" x="{}" y="{:.1f}" text-anchor="end">{}</text>'
        ).format("axis" if m == 0 else "grid", _LEFT, _WIDTH - _RIGHT, y, y, _LEFT - 6, y + 3.5, _tick_text(m))
        for m in marks
        for y in [ys(_lift(m, chart.log))]
    ]
    return Markup("").join(lines)


def _epoch_axis(epochs: Sequence[float], xs) -> Markup:  # type: ignore[no-untyped-def]
    marks = sorted({round(t) for t in ticks(min(epochs), max(epochs), 5)}) if len(epochs) > 1 else [round(epochs[0])]
    texts = [
        Markup('<text class="tick" x="{:.1f}" y="{}" text-anchor="middle">{}</text>').format(xs(m), _HEIGHT - 9, m)
        for m in marks
        if min(epochs) <= m <= max(epochs)
    ]
    return Markup("").join(texts)


def _line(chart: Chart, name: str, index: int, xs, ys) -> Markup:  # type: ignore[no-untyped-def]
    """One line; a gap where nothing was recorded between two epochs is bridged, a single point is a dot."""
    low, _ = _bounds(chart)
    points = [
        (xs(e), ys(_lift(max(v, low) if chart.log else v, chart.log)))
        for e, v in zip(chart.epochs, chart.lines[name], strict=False)
        if v is not None
    ]
    kind = Markup("s{} {}").format(index % 8, "lead" if name == chart.lead else "")
    if len(points) == 1:
        return Markup('<circle class="dot {}" cx="{:.1f}" cy="{:.1f}" r="3.5"/>').format(kind, *points[0])
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    return Markup('<path class="line {}" d="{}"><title>{}</title></path>').format(kind, path, escape(name))


def _tick_text(value: float) -> str:
    if value == 0:
        return "0"
    if abs(value) >= 1000 or abs(value) < 1e-3:
        mantissa, _, exponent = f"{value:.1e}".partition("e")
        return f"{mantissa.removesuffix('.0')}e{int(exponent)}"
    return f"{value:g}"
