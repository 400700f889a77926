"""A run's history against its epochs: as charts for the page (inline SVG) and as one PNG file."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from armature.reports import scores as s

#: A log axis where the largest value is this many times the smallest.
_LOG_RATIO = 30.0

History = dict[str, "list[float | None]"]


@dataclass(frozen=True)
class Chart:
    """One chart: lines that share an axis.

    Attributes:
        title: what is shown; unit: of the vertical axis, or "".
        epochs: (E,) the horizontal axis.
        lines: name -> (E,) values, None where nothing was recorded.
        lead: the line to stress, or None.
        bounds: fixed vertical limits, or None for those of the values.
        log: whether the vertical axis is logarithmic.
    """

    title: str
    unit: str
    epochs: Sequence[float]
    lines: Mapping[str, Sequence[float | None]]
    lead: str | None = None
    bounds: tuple[float, float] | None = None
    log: bool = field(default=False)


def read_history(path: Path) -> History:
    """The columns of a ``history.csv``, one list per column, None for empty, NaN and unreadable cells.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        rows = list(csv.DictReader(file))
    names = [n for n in (rows[0] if rows else {}) if n]
    return {name: [s.number(row.get(name)) for row in rows] for name in names}


def charts(history: History) -> list[Chart]:
    """The charts that a history has numbers for: losses, AP, PCK, pixel error, learning rate, throughput, data wait."""
    length = max((len(v) for v in history.values()), default=0)
    epochs = [float(i) if e is None else e for i, e in enumerate(history.get("epoch", [None] * length))]
    split = s.main_split({n: 0 for n in history if not n.startswith("train/")}) or "val"
    drawn = [_losses(history, epochs, "train"), _losses(history, epochs, split)]
    precision = [f"{split}/{n}" for n in ("AP", "AP50", "AP75", "AR")]
    drawn.append(_chart(history, epochs, "OKS average precision", "", precision, (0.0, 1.0)))
    drawn.append(_chart(history, epochs, "PCK", "", _matching(history, split, "PCK"), (0.0, 1.0)))
    drawn.append(_chart(history, epochs, "Keypoint error", "px", _matching(history, split, "error"), floor=True))
    drawn.append(_chart(history, epochs, "Learning rate", "", [n for n in history if n == "lr" or n.startswith("lr")]))
    drawn.append(_chart(history, epochs, "Throughput", "images/s", ["throughput/images_per_second"], floor=True))
    drawn.append(_chart(history, epochs, "Data wait", "share", ["throughput/data_wait"], floor=True))
    return [c for c in drawn if c is not None]


def save_png(history: History, path: Path) -> Path | None:
    """Writes all charts of a history into one picture (matplotlib without a display); None where there are none."""
    drawn = charts(history)
    if not drawn:
        return None
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    columns = len(drawn) if len(drawn) < 4 else 4 if len(drawn) > 6 else 3
    rows = math.ceil(len(drawn) / columns)
    figure = Figure(figsize=(3.9 * columns, 2.8 * rows), dpi=130, layout="constrained")
    for i, chart in enumerate(drawn):
        _plot(figure.add_subplot(rows, columns, i + 1), chart)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    return path


def _plot(axes, chart: Chart) -> None:  # type: ignore[no-untyped-def]
    from matplotlib.ticker import MaxNLocator

    for i, (name, values) in enumerate(chart.lines.items()):
        points = [(e, v) for e, v in zip(chart.epochs, values, strict=False) if v is not None]
        lead, marker = name == chart.lead, "o" if len(points) == 1 else None
        style = {"lw": 2.0 if lead else 1.2, "zorder": 3 if lead else 2, "marker": marker, "ms": 4}
        axes.plot(*zip(*points, strict=True), label=name, color=PALETTE[i % len(PALETTE)], **style)
    axes.set_title(f"{chart.title}{f' ({chart.unit})' if chart.unit else ''}", loc="left", fontsize=10)
    axes.set_yscale("log" if chart.log else "linear")
    if chart.bounds:
        axes.set_ylim(*chart.bounds)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color("#b9bec5")
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.grid(axis="y", lw=0.5, color="#e3e5e8")
    axes.tick_params(which="both", labelsize=8, color="#b9bec5", labelcolor="#6a707a", length=0)
    if len(chart.lines) > 1:
        axes.legend(fontsize=7.5, frameon=False, ncols=2)


#: Line colours in order, the same on the page (there with a lighter set for dark screens).
PALETTE = ("#2f5fd0", "#d9822b", "#2f9e6e", "#a855b5", "#c2413b", "#0e94a8", "#8a7a2e", "#6b7280")


def _losses(history: History, epochs: list[float], split: str) -> Chart | None:
    names = [n for n in history if n.startswith(f"{split}/") and (split == "train" or "loss" in n)]
    names.sort(key=lambda n: not n.endswith(("/total", "/loss")))
    values = [v for n in names for v in history[n] if v is not None]
    log = bool(values) and min(values) > 0 and max(values) / min(values) > _LOG_RATIO
    title = "Training loss" if split == "train" else "Validation loss"
    return _chart(history, epochs, title, "", names, log=log)


def _matching(history: History, split: str, start: str) -> list[str]:
    names = [n for n in history if n.startswith(f"{split}/{start}") and s.parts(n[len(split) + 1 :])[1] is None]
    return sorted(names, key=s.pck_radius) if start == "PCK" else names


def _chart(
    history: History,
    epochs: list[float],
    title: str,
    unit: str,
    names: Sequence[str],
    bounds: tuple[float, float] | None = None,
    floor: bool = False,
    log: bool = False,
) -> Chart | None:
    """The chart of those columns that have numbers, or None; ``floor`` lets the axis begin at 0."""
    lines = {_short(n): history[n] for n in names if any(v is not None for v in history.get(n, []))}
    if not lines:
        return None
    if floor:
        bounds = (0.0, max(v for line in lines.values() for v in line if v is not None) * 1.08 or 1.0)
    lead = list(lines)[len(lines) // 2] if title == "PCK" else next(iter(lines))
    return Chart(title, unit, epochs, lines, lead, bounds, log)


def _short(column: str) -> str:
    """``train/total`` -> ``total``, ``val/error/mean`` -> ``mean``: what the chart's title does not already say."""
    return column.split("/", 1)[-1].removeprefix("error/")
