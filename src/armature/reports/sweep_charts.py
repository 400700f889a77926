"""Charts of a sweep as inline SVG: how it went, parallel coordinates, and a slice for every parameter."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from armature.reports.svg import log_ticks, ticks

Row = Mapping[str, Any]

_WIDE, _HIGH = 1060, 380
_SMALL, _LOW = 280, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 10, 10, 26
#: Choices are labelled on their axes up to this many letters.
_LETTERS = 18


@dataclass(frozen=True)
class Axis:
    """A map from a parameter's values to [0, 1], and its marks.

    Args:
        choices: in their order; empty for numbers. low, high: of the values that are drawn.
    """

    name: str
    choices: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 1.0
    log: bool = False

    def place(self, value: Any) -> float:
        if self.choices:
            return (self.choices.index(str(value)) + 0.5) / len(self.choices)
        if self.high <= self.low:
            return 0.5
        low, high, now = (math.log10(v) if self.log else v for v in (self.low, self.high, value))
        return min(max((now - low) / (high - low), 0.0), 1.0)

    def marks(self) -> list[tuple[float, str]]:
        if self.choices:
            return [(self.place(c), c if len(c) <= _LETTERS else c[: _LETTERS - 1] + "…") for c in self.choices]
        found = log_ticks(self.low, self.high) if self.log else ticks(self.low, self.high, 4)
        if len(found) < 2:
            found = [self.low, self.high]
        return [(self.place(v), _short(v)) for v in found]


def axis_of(parameter: Mapping[str, Any]) -> Axis:
    """The axis of a parameter of the document."""
    choices = tuple(parameter["choices"])
    return Axis(parameter["name"], choices, parameter["low"], parameter["high"], parameter["log"])


def objective_axis(name: str, values: Sequence[float]) -> Axis:
    """The axis of an objective, a little wider than its values; a few that are far off lie on its edge."""
    lower, _, upper = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else [values[0]] * 3
    reach = 2.5 * (upper - lower) or math.inf
    low, high = max(min(values), lower - reach), min(max(values), upper + reach)
    margin = (high - low) * 0.05 or abs(high) * 0.05 or 0.5
    return Axis(name, (), low - margin, high + margin)


def shades(values: Sequence[float], best_is_high: bool) -> list[float]:
    """1 for the best value, 0 for the worst, by rank: one outlier must not hide the rest."""
    order = sorted(range(len(values)), key=lambda i: values[i] if best_is_high else -values[i])
    places = {i: rank / max(len(values) - 1, 1) for rank, i in enumerate(order)}
    return [places[i] for i in range(len(values))]


def parallel(parameters: Sequence[Mapping[str, Any]], rows: Sequence[Row], objective: str, high: bool) -> Markup:
    """A line for every complete trial through its values and its result; better ones are darker and lie above.

    A parameter that a trial does not have is crossed at the foot of its axis, under the lowest value.
    """
    values = [row["values"][0] for row in rows]
    axes = [*(axis_of(p) for p in parameters), objective_axis(objective, values)]
    step = (_WIDE - 180) / max(len(axes) - 1, 1)
    xs = [70 + i * step for i in range(len(axes))]
    top, foot = 56, _HIGH - 40
    tones = shades(values, high)
    lines = []
    for i in sorted(range(len(rows)), key=lambda i: tones[i]):
        points = [
            (x, _y(axis, rows[i]["params"][axis.name], top, foot - 18) if axis.name in rows[i]["params"] else foot)
            for x, axis in zip(xs, axes[:-1], strict=False)
        ]
        points.append((xs[-1], _y(axes[-1], values[i], top, foot - 18)))
        said = ", ".join([f"trial {rows[i]['number']}: {objective} {values[i]:.4g}", *rows[i]["point"]])
        lines.append(
            Markup('<path class="thread{}" style="{}" d="M{}"><title>{}</title></path>').format(
                " best" if tones[i] == 1 else "", _tone(tones[i]), "L".join(f"{x:.1f} {y:.1f}" for x, y in points), said
            )
        )
    drawn = [
        # Names lie on two lines in turn, so that neighbours do not run into each other.
        _upright(x, axis, top, foot - 18, 16 + 16 * (i % 2), i == len(axes) - 1)
        for i, (x, axis) in enumerate(zip(xs, axes, strict=True))
    ]
    return _svg("parallel", _WIDE, _HIGH, "parallel coordinates", [*lines, *drawn])


def slice_chart(parameter: Mapping[str, Any], rows: Sequence[Row], objective: str, high: bool) -> Markup:
    """A dot for every complete trial that has the parameter: its value to the right, its result up."""
    known = [row for row in rows if parameter["name"] in row["params"]]
    across, up = axis_of(parameter), objective_axis(objective, [row["values"][0] for row in rows])
    tones = dict(zip((r["number"] for r in rows), shades([r["values"][0] for r in rows], high), strict=True))
    dots = []
    for row in known:
        shake = ((row["number"] * 0.618) % 1 - 0.5) * 0.4 / len(across.choices) if across.choices else 0.0
        x = _LEFT + (across.place(row["params"][parameter["name"]]) + shake) * (_SMALL - _RIGHT - _LEFT)
        given = f"{across.name} {_said(row['params'][across.name])}"
        said = f"trial {row['number']}: {given}, {objective} {row['values'][0]:.4g}"
        dots.append(_dot(x, _y(up, row["values"][0], _TOP, _LOW - _BOTTOM), _tone(tones[row["number"]], True), said))
    return _framed(across, up, dots, f"{objective} by {across.name}")


def history(rows: Sequence[Row], objective: str, high: bool) -> Markup:
    """Results in order of trials, and the best so far as a step line; pruned trials are hollow at their last value."""
    complete = [row for row in rows if row["state"] == "complete"]
    shown = [row for row in rows if row["state"] in ("complete", "pruned") and row["values"]]
    up = objective_axis(objective, [row["values"][0] for row in shown])
    across = Axis("trial", (), -0.5, max(row["number"] for row in rows) + 0.5)
    place = _placer(across, up)
    pieces: list[Markup] = []
    path: list[tuple[float, float]] = []
    best: float | None = None
    for row in complete:
        value = row["values"][0]
        best = value if best is None else (max if high else min)(best, value)
        x, y = place(row["number"], best)
        path += [(x, path[-1][1]), (x, y)] if path else [(x, y)]
    if len(path) > 1:
        steps = "L".join(f"{x:.1f} {y:.1f}" for x, y in [*path, (_SMALL - _RIGHT, path[-1][1])])
        pieces.append(Markup('<path class="line s0" d="M{}"/>').format(steps))
    for row in shown:
        hollow = "" if row["state"] == "complete" else "fill:var(--paper);stroke:var(--s0)"
        said = f"trial {row['number']}, {row['state']}: {row['values'][0]:.4g}"
        pieces.append(_dot(*place(row["number"], row["values"][0]), hollow, said))
    return _framed(across, up, pieces, f"{objective} by trial")


def curves(rows: Sequence[Row], metric: str) -> Markup:
    """What every trial measured over its epochs; those that were pruned are pale."""
    known = [row for row in rows if row["curve"]]
    points = [(float(e), v) for row in known for e, v in row["curve"].items()]
    up = objective_axis(metric, [v for _, v in points])
    across = Axis("epoch", (), 0.5, max(e for e, _ in points) + 0.5)
    place = _placer(across, up)
    pieces = []
    for row in sorted(known, key=lambda r: r["state"] == "complete"):
        style = "" if row["state"] == "complete" else "opacity:.35"
        said = f"trial {row['number']}, {row['state']}"
        line = "L".join("{:.1f} {:.1f}".format(*place(float(e), v)) for e, v in row["curve"].items())
        pieces.append(
            Markup('<path class="line s0" style="{}" d="M{}"><title>{}</title></path>').format(style, line, said)
        )
        last = list(row["curve"].items())[-1]
        pieces.append(_dot(*place(float(last[0]), last[1]), style, said, 2))
    return _framed(across, up, pieces, f"{metric} by epoch")


def _placer(across: Axis, up: Axis) -> Callable[[float, float], tuple[float, float]]:
    wide = _SMALL - _RIGHT - _LEFT
    return lambda x, y: (_LEFT + across.place(x) * wide, _y(up, y, _TOP, _LOW - _BOTTOM))


def _framed(across: Axis, up: Axis, pieces: Sequence[Markup], label: str) -> Markup:
    frame = [
        Markup(
            '<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>'
            '<text class="tick" x="{}" y="{:.1f}" text-anchor="end">{}</text>'
        ).format(_LEFT, _SMALL - _RIGHT, y, y, _LEFT - 6, y + 3.5, text)
        for place, text in up.marks()
        for y in [_TOP + (1 - place) * (_LOW - _BOTTOM - _TOP)]
    ]
    marks = [
        (p, t) for p, t in across.marks() if across.choices or across.name not in ("trial", "epoch") or "." not in t
    ]
    marks = marks[:: math.ceil(len(marks) * max((len(t) for _, t in marks), default=1) / 40)]
    frame += [
        Markup('<text class="tick" x="{:.1f}" y="{}" text-anchor="middle">{}</text>').format(
            _LEFT + place * (_SMALL - _RIGHT - _LEFT), _LOW - 9, text
        )
        for place, text in marks
    ]
    return _svg("", _SMALL, _LOW, label, [*frame, *pieces])


def _upright(x: float, axis: Axis, top: float, foot: float, above: float, last: bool) -> Markup:
    """One axis of parallel coordinates with its name so far ``above`` and its marks beside it."""
    side, anchor = (8, "start") if last else (-7, "end")
    marks = [
        Markup('<text class="tick halo" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(
            x + side, foot - place * (foot - top) + 3.5, anchor, text
        )
        for place, text in axis.marks()
    ]
    name = axis.name if len(axis.name) <= 26 else axis.name[:25] + "…"
    head = Markup(
        '<line class="axis" x1="{0:.1f}" x2="{0:.1f}" y1="{1}" y2="{2}"/><text class="tick name" x="{0:.1f}" y="{3}" '
        'text-anchor="middle"><title>{4}</title>{5}</text>'
    ).format(x, top, foot, top - above, axis.name, name)
    return Markup("").join([head, *marks])


def _svg(kind: str, wide: int, high: int, label: str, pieces: Sequence[Markup]) -> Markup:
    return Markup('<svg class="chart {}" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        kind, wide, high, label, Markup("").join(pieces)
    )


def _dot(x: float, y: float, style: str, said: str, radius: float = 3.5) -> Markup:
    return Markup('<circle class="dot s0" cx="{:.1f}" cy="{:.1f}" r="{}" style="{}"><title>{}</title></circle>').format(
        x, y, radius, style, said
    )


def _tone(share: float, fill: bool = False) -> str:
    colour = f"color-mix(in srgb, var(--accent) {round(15 + 85 * share)}%, var(--rule))"
    return f"{'fill' if fill else 'stroke'}:{colour}"


def _y(axis: Axis, value: Any, top: float, foot: float) -> float:
    return foot - axis.place(value) * (foot - top)


def _said(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _short(value: float) -> str:
    if value and (abs(value) >= 10_000 or abs(value) < 1e-3):
        mantissa, _, exponent = f"{value:.1e}".partition("e")
        return f"{mantissa.removesuffix('.0')}e{int(exponent)}"
    return f"{value:.4g}"
