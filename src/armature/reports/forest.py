"""One number with its interval as a small picture for a table cell; cells of a column share one scale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

_WIDTH, _HEIGHT, _MARGIN = 110, 18, 6


def forest(number: Mapping[str, Any], span: tuple[float, float]) -> Markup:
    """A dot at the estimate and a line from low to high, on a scale that runs over ``span``; empty without a number."""
    if number["estimate"] is None:
        return Markup("")
    middle = _HEIGHT / 2
    dot = Markup('<circle class="dot s0" cx="{:.1f}" cy="{}" r="4"/>').format(_at(number["estimate"], span), middle)
    line = Markup("")
    if number["low"] is not None and number["high"] is not None:
        low, high = _at(number["low"], span), _at(number["high"], span)
        line = Markup('<line class="whisker" x1="{:.1f}" x2="{:.1f}" y1="{}" y2="{}"/>').format(
            low, high, middle, middle
        )
    return Markup('<svg class="forest" viewBox="0 0 {} {}" aria-hidden="true">{}{}</svg>').format(
        _WIDTH, _HEIGHT, line, dot
    )


def _at(value: float, span: tuple[float, float]) -> float:
    low, high = span
    share = (value - low) / (high - low) if high > low else 0.5
    return _MARGIN + (_WIDTH - 2 * _MARGIN) * share
