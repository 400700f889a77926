"""Which way is better, by a metric's name."""

from __future__ import annotations

#: Words in the names of metrics of which less is better.
_LESS = ("error", "loss", "nme", "epe", "ece", "total")


def lower_is_better(name: str) -> bool:
    """Whether a smaller number is the better one: errors and losses."""
    return any(word in name.lower() for word in _LESS)
