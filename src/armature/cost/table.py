"""The measured cost as the terminal shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

_NONE = "-"


def of(measured: Mapping[str, Any]) -> RenderableType:
    """The tables of a ``cost.json``: size and work, latency by people, and the conditions below."""
    parts: list[RenderableType] = [_size(measured), _latency(measured), Text(_conditions(measured), style="dim")]
    return Padding(Group(Text(str(measured["of"]), style="bold"), *(Padding(p, (1, 0, 0, 0)) for p in parts)), 1)


def amount(value: float | None, unit: str = "", base: int = 1000) -> str:
    """A number with three digits and its prefix: ``1.47 M``, ``24.1 MiB``."""
    if value is None or value != value:
        return _NONE
    prefixes = ("", "k", "M", "G", "T") if base == 1000 else ("", "Ki", "Mi", "Gi", "Ti")
    scaled, i = float(value), 0
    while abs(scaled) >= base and i < len(prefixes) - 1:
        scaled, i = scaled / base, i + 1
    digits = 0 if i == 0 and scaled == int(scaled) else max(0, 2 - len(str(int(abs(scaled)))) + 1)
    return f"{scaled:.{digits}f} {prefixes[i]}{unit}".rstrip()


def _size(measured: Mapping[str, Any]) -> Table:
    parameters, macs, memory = measured["parameters"], measured["macs"], measured["memory"]
    frozen = parameters["total"] - parameters["trainable"]
    notes = [f"{amount(frozen)} not trained"] if frozen else []
    notes += [f"and {amount(parameters['elsewhere'])} of other networks"] if parameters["elsewhere"] else []
    table = _table("", "", "")
    table.add_row("parameters", amount(parameters["total"]), ", ".join(notes))
    people = measured["conditions"]["people"]
    table.add_row(
        "MACs per image", amount(macs["image"]), f"{macs['passes']:.3g} x {amount(macs['pass'])}, {people} people"
    )
    held = f"{amount(memory['weights'], 'B', 1024)} weights and {amount(memory['above'], 'B', 1024)} to predict"
    table.add_row(
        "peak memory", amount(memory["peak"], "B", 1024), held if memory["peak"] is not None else memory["how"]
    )
    for row in measured["throughput"]:
        what = f"{row['people']} people, batches of {row['batch']}"
        table.add_row("images/s", amount(row["images_per_second"]), what)
    return table


def _latency(measured: Mapping[str, Any]) -> Table:
    table = _table("people", "found", "MACs", "network ms", "decode ms", "total ms")
    for row in measured["latency"]:
        spans = (_span(row[part]) for part in ("network", "decode", "total"))
        table.add_row(str(row["people"]), f"{row['found']:.3g}", amount(row["macs"]), *spans)
    return table


def _span(part: Mapping[str, float | None]) -> str:
    median, q1, q3 = (part[name] for name in ("median", "q1", "q3"))
    if median is None or q1 is None or q3 is None or median != median:
        return _NONE
    return f"{_short(median)} ({_short(q1)}-{_short(q3)})"


def _short(milliseconds: float) -> str:
    """Three digits, never as a power of ten."""
    return f"{milliseconds:.0f}" if milliseconds >= 100 else f"{milliseconds:.3g}"


def _conditions(measured: Mapping[str, Any]) -> str:
    told = measured["conditions"]
    left_out = [name.partition(".")[2].lstrip("_") for name in measured["macs"]["not_counted"]]
    height, width = told["canvas"]
    lines = [
        f"{told['device']}, {told['threads']} threads, {told['precision']}, torch {told['torch']}",
        f"canvas {width}x{height}" + (", flip test" if told["flip_test"] else ", no flip test"),
        f"median (quartiles) of {told['repeats']} after {told['warmup']} untimed",
        f"decoded: {told['decoded']}",
        f"memory: {measured['memory']['how']}",
        f"MACs leave out: {', '.join(left_out) or 'nothing'}",
    ]
    return "\n".join(lines)


def _table(*columns: str) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim", border_style="dim", show_edge=False, padding=(0, 1)
    )
    for i, column in enumerate(columns):
        text = not any(columns) and i != 1  # numbers go to the right
        table.add_column(column, justify="left" if text else "right", no_wrap=not text)
    table.show_header = any(columns)
    return table
