"""The error taxonomy as inline SVG that takes its colours from the page: who errs how, and the AP it costs.

Everything is read from flat metrics as metrics.json holds them (``val/errors/jitter/left_wrist``,
``val/errors/AP_gain/score``, ...), so that a figure needs nothing but files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from armature.reports import scores as s
from armature.reports.svg import ticks

#: Kinds of keypoint errors from left to right, and fixes from top to bottom, with how they are called and coloured.
KINDS = ("jitter", "inversion", "swap", "miss")
FIXES = {
    "miss": "misses",
    "swap": "swaps",
    "inversion": "inversions",
    "jitter": "jitter",
    "background": "background",
    "score": "scores",
    "false_negative": "people not found",
    "imprecision": "imprecision",
}
COLOURS = {
    "jitter": "s1",
    "inversion": "s3",
    "swap": "s5",
    "miss": "s4",
    "score": "s0",
    "background": "s6",
    "false_negative": "s7",
    "imprecision": "s2",
}
#: More keypoints than this are cut down to those with the most errors.
MOST_ROWS = 30

_WIDTH, _TOP, _BOTTOM, _RIGHT, _ROW, _BAR = 480, 6, 20, 50, 17, 11
#: Of the gains: two bars a row, two columns of numbers.
_PAIR, _HALF, _COLUMNS = 26, 8, 104

#: Of what is there before the first segment.
_GREY = "{}:var(--quiet);opacity:.4"
#: Letters of a label; longer ones lose their middle.
_LONGEST = 24

Rows = dict[str, dict[str, float]]


def error_figure(
    metrics: Mapping[str, Any], split: str | None = None, keypoints: Sequence[str] | None = None
) -> Markup:
    """The errors of one run: shares for each keypoint, AP gained by each fix; empty where neither was measured.

    Args:
        metrics: flat, with or without a split before each name. split: None takes ``scores.main_split``.
        keypoints: those to show, in this order (or names of groups); None takes all there are.
    """
    errors = _errors(metrics, split)
    rows, cut = _worst(_by_keypoint(errors, keypoints))
    figures = [_shares_figure("Errors by keypoint", rows, cut), _gains_figure(errors), _costs_figure(errors)]
    figures.append(_people(errors))
    return _side_by_side(figures)


def error_figure_of_runs(runs: Mapping[str, Mapping[str, Any]], split: str | None = None) -> Markup:
    """The errors of several runs below each other: shares of all keypoints, and where AP goes, from 0 to 1.

    Args:
        runs: flat metrics by the name of each run.
    """
    found = {run: _errors(metrics, split) for run, metrics in runs.items()}
    shares = {run: row for run, errors in found.items() if (row := _row(errors))}
    lost = {run: row for run, errors in found.items() if (row := _steps(errors))}
    before = {run: 1 - sum(row.values()) for run, row in lost.items()}
    return _side_by_side([_shares_figure("Errors by run", shares), _lost_figure(lost, before)])


def _errors(metrics: Mapping[str, Any], split: str | None) -> dict[str, float]:
    """The measured ones of ``errors/...``, without that prefix."""
    found = s.of_split(metrics, split)
    return {
        name.removeprefix("errors/"): value
        for name, value in found.items()
        if name.startswith("errors/") and value is not None
    }


def _row(errors: Mapping[str, float], keypoint: str = "") -> dict[str, float]:
    """The share of each kind of one keypoint ("" for all); empty where not all kinds are known."""
    names = {kind: f"{kind}/{keypoint}" if keypoint else kind for kind in KINDS}
    return {kind: errors[name] for kind, name in names.items()} if all(n in errors for n in names.values()) else {}


def _by_keypoint(errors: Mapping[str, float], keypoints: Sequence[str] | None) -> Rows:
    wanted = keypoints or [name.removeprefix("miss/") for name in errors if name.startswith("miss/")]
    rows = {"all": _row(errors)} | {name: _row(errors, name) for name in wanted}
    return {name: row for name, row in rows.items() if row}


def _worst(rows: Rows) -> tuple[Rows, str]:
    """All rows, or those with the most errors where there are too many, and in words what was left out."""
    if len(rows) <= MOST_ROWS + 1:
        return rows, ""
    names = sorted((n for n in rows if n != "all"), key=lambda n: -sum(rows[n].values()))[:MOST_ROWS]
    kept = {name: row for name, row in rows.items() if name in names or name == "all"}
    return kept, f"the worst {MOST_ROWS} of {len(rows) - ('all' in rows)}"


def _steps(errors: Mapping[str, float], number: str = "AP_gain_in_turn") -> dict[str, float]:
    """The gain of each fix; empty where not all are known."""
    names = {fix: f"{number}/{fix}" for fix in FIXES}
    return {fix: errors[name] for fix, name in names.items()} if all(n in errors for n in names.values()) else {}


def _shares_figure(title: str, rows: Rows, note: str = "") -> Markup:
    if not rows:
        return Markup("")
    highest = max(sum(row.values()) for row in rows.values())
    texts = {name: f"{100 * sum(row.values()):.1f} %" for name, row in rows.items()}
    chart = _stacks(rows, {}, texts, max(highest, 0.01), "%")
    return _figure(title, note or "share of the labelled keypoints of people found", _legend(KINDS), chart)


def _costs_figure(errors: Mapping[str, float]) -> Markup:
    """What AP would gain without the errors at each keypoint or group, the dearest first."""
    mark = "AP_gain/keypoints/"
    gains = {name.removeprefix(mark): value for name, value in errors.items() if name.startswith(mark)}
    dearest = sorted(gains, key=lambda name: -gains[name])[:MOST_ROWS]
    rows = {name: {"all": max(gains[name], 0.0)} for name in dearest}
    if not rows:
        return Markup("")
    texts = {name: f"{gains[name]:+.3f}" for name in dearest}
    chart = _stacks(rows, {}, texts, max(max(gains.values()), 0.001), "")
    return _figure("AP that errors at a keypoint cost", "gain of AP were they all fixed", Markup(""), chart)


def _lost_figure(rows: Rows, before: Mapping[str, float]) -> Markup:
    if not rows:
        return Markup("")
    texts = {name: f"{value:.3f}" for name, value in before.items()}
    chart = _stacks(rows, before, texts, 1.0, "")
    legend = _legend(tuple(FIXES), Markup('<li><i style="{}"></i>AP</li>').format(_GREY.format("background")))
    return _figure("Where AP goes", "what each fix adds to AP and to the fixes before it", legend, chart)


def _gains_figure(errors: Mapping[str, float]) -> Markup:
    alone, in_turn = _steps(errors, "AP_gain"), _steps(errors)
    if not alone or not in_turn:
        return Markup("")
    note = "full: fixed alone; pale: on top of those above"
    return _figure("AP without each error", note, Markup(""), _gains(alone, in_turn))


def _stacks(rows: Rows, before: Mapping[str, float], texts: Mapping[str, str], highest: float, unit: str) -> Markup:
    """Stacked bars, one a row, from 0 to ``highest``; a grey one of length ``before`` leads where there is one."""
    left, bottom = _left(rows), _TOP + _ROW * len(rows)
    across = (_WIDTH - left - _RIGHT) / highest
    pieces = [_axis(ticks(0, highest, 5), lambda v: left + v * across, bottom, unit)]
    for i, (name, row) in enumerate(rows.items()):
        top, place = _TOP + i * _ROW + (_ROW - _BAR) / 2, before.get(name, 0.0)
        pieces.append(_label(name, left, top + _BAR - 2, strong=name == "all"))
        if place > 0:
            pieces.append(_rect("", left, top, place * across, _BAR, f"{name}: AP {place:.3f}", _GREY.format("fill")))
        for kind, value in row.items():
            what = f"{name}: {FIXES.get(kind, '')}".rstrip(": ")
            text = f"{what} {100 * value:.1f} %" if unit else f"{what} {value:+.3f}"
            pieces.append(_rect(COLOURS.get(kind, "s0"), left + place * across, top, value * across, _BAR, text))
            place += max(value, 0.0)
        pieces.append(_text(_WIDTH, top + _BAR - 2, texts[name], "end", strong=name == "all"))
    return _svg(pieces, bottom + _BOTTOM, "shares of errors" if unit else "AP and what it lacks")


def _gains(alone: Mapping[str, float], in_turn: Mapping[str, float]) -> Markup:
    """For each fix a bar from AP to AP with it alone, and below a paler one that goes on where the last one ended."""
    before = 1 - sum(in_turn.values())
    ends = [before, 1.0, *(before + gain for gain in alone.values())]
    left, top, bottom = _left(FIXES.values()), _TOP + 12, _TOP + 12 + _PAIR * len(FIXES)
    marks = ticks(min(ends), 1.0, 5)
    low, high = min(*ends, marks[0]), max(ends)
    across = (_WIDTH - left - _COLUMNS) / ((high - low) or 1)

    def x(value: float) -> float:
        return left + (value - low) * across

    pieces = [_axis(marks, x, bottom, "")]
    for column, text in ((46, "alone"), (0, "in turn")):
        pieces.append(_text(_WIDTH - column, _TOP + 4, text, "end"))
    place = before
    for i, fix in enumerate(FIXES):
        y = top + i * _PAIR + (_PAIR - 2 * _HALF - 1) / 2
        whole = f"{FIXES[fix]} fixed alone: AP {before + alone[fix]:.3f}"
        added = f"{FIXES[fix]} fixed as well: AP {place + in_turn[fix]:.3f}"
        pieces += [
            _label(FIXES[fix], left, y + _HALF + 4, strong=False),
            _span(COLOURS[fix], x(before), x(before + alone[fix]), y, whole),
            _span(COLOURS[fix], x(place), x(place + in_turn[fix]), y + _HALF + 1, added, "opacity:.42"),
            _text(_WIDTH - 46, y + _HALF + 4, _signed(alone[fix]), "end", strong=True),
            _text(_WIDTH, y + _HALF + 4, _signed(in_turn[fix]), "end"),
        ]
        place += in_turn[fix]
    line = Markup('<line class="axis" x1="{0:.1f}" x2="{0:.1f}" y1="{1}" y2="{2}"/>').format(x(before), top, bottom)
    name = _text(x(before), _TOP + 4, f"AP {before:.3f}", "middle", strong=True)
    return _svg([*pieces, line, name], bottom + _BOTTOM, "AP gained by fixing each kind of error")


def _people(errors: Mapping[str, float]) -> Markup:
    """The shares that are not about keypoints, in words."""
    words = {
        "false_negative": "of the people were not found",
        "score": "of those found have a better prediction with a lower score",
        "background": "of the predictions show nobody",
        "duplicate": "show somebody already found",
    }
    texts = [f"{100 * errors[name]:.1f} % {said}" for name, said in words.items() if name in errors]
    return Markup('<p class="note">{}.</p>').format("; ".join(texts)) if texts else Markup("")


def _side_by_side(pieces: Sequence[Markup]) -> Markup:
    figures, notes = [p for p in pieces if p.startswith("<figure")], [p for p in pieces if p.startswith("<p")]
    if not figures:
        return Markup("")
    grid = "grid-template-columns:repeat(auto-fit,minmax(min(380px,100%),1fr));align-items:start"
    return Markup('<div class="charts" style="{}">{}</div>{}').format(
        grid, Markup("").join(figures), Markup("").join(notes)
    )


def _figure(title: str, note: str, legend: Markup, chart: Markup) -> Markup:
    head = Markup("<figcaption><span>{}</span><small>{}</small></figcaption>").format(title, note)
    return Markup("<figure>{}{}{}</figure>").format(head, legend, chart)


def _legend(kinds: Sequence[str], before: str = "") -> Markup:
    entry = Markup('<li><i class="{}"></i>{}</li>')
    entries = [before, *(entry.format(COLOURS[kind], FIXES[kind]) for kind in kinds)]
    return Markup('<ul class="legend">{}</ul>').format(Markup("").join(entries))


def _svg(pieces: Sequence[Markup], height: float, label: str) -> Markup:
    return Markup(
        '<svg class="chart" style="margin-top:4px" viewBox="0 0 {} {:g}" role="img" aria-label="{}">{}</svg>'
    ).format(_WIDTH, height, label, Markup("").join(pieces))


def _left(names: Any) -> int:
    """Px for the longest label."""
    return 14 + round(5.8 * min(max(map(len, names)), _LONGEST))


def _label(name: str, left: float, y: float, strong: bool) -> Markup:
    short = name if len(name) <= _LONGEST else f"{name[: _LONGEST // 2]}…{name[1 - _LONGEST // 2 :]}"
    return _text(left - 8, y, short, "end", strong)


def _text(x: float, y: float, text: str, anchor: str, strong: bool = False) -> Markup:
    style = Markup(' style="fill:var(--ink);font-weight:600"') if strong else Markup("")
    return Markup('<text class="tick" x="{:.1f}" y="{:.1f}" text-anchor="{}"{}>{}</text>').format(
        x, y, anchor, style, text
    )


def _rect(colour: str, x: float, y: float, width: float, height: float, title: str, style: str = "") -> Markup:
    """A bar with its number to be read on pointing at it; nothing where it has no width."""
    if not width > 0:
        return Markup("")
    shape = '<rect class="{}" x="{:.2f}" y="{:.1f}" width="{:.2f}" height="{}" style="{}"><title>{}</title></rect>'
    return Markup(shape).format(f"dot {colour}".strip() if colour else "", x, y, width, height, style, title)


def _span(colour: str, start: float, end: float, y: float, title: str, style: str = "") -> Markup:
    """A bar between two places, at least a hair wide, so that a gain of nothing can be pointed at."""
    return _rect(colour, min(start, end), y, max(abs(end - start), 0.8), _HALF, title, style)


def _axis(marks: Sequence[float], x: Any, bottom: float, unit: str) -> Markup:
    """Grid lines with their numbers below."""
    shape = Markup('<line class="{}" x1="{:.1f}" x2="{:.1f}" y1="{}" y2="{}"/>{}')
    texts = [f"{100 * m:g} %" if unit else f"{m:g}" for m in marks]
    return Markup("").join(
        shape.format("grid", x(m), x(m), _TOP, bottom, _text(x(m), bottom + 14, text, "middle"))
        for m, text in zip(marks, texts, strict=True)
    )


def _signed(value: float) -> str:
    """Three places with their sign, none for what rounds to 0."""
    return f"{value:+.3f}" if abs(value) >= 0.0005 else "0.000"
