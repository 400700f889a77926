"""The terminal: what is printed, and how little is imported for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from rich.console import Console

from armature.reports import table
from armature.reports.scores import MISSING

METRICS = {
    "val/AP": 0.5123, "val/AP50": 0.783, "val/AP75": 0.54, "val/APm": -1.0, "val/APl": 0.533, "val/AR": 0.561,
    "val/PCK@0.1": 0.71, "val/PCK@0.2": 0.88, "val/error/mean": 4.31, "val/error/median": 2.62,
    **{f"val/PCK@0.2/point_{i}": i / 10 for i in range(10)}, "val/PCK@0.2/unseen": None,
}  # fmt: skip


def printed(renderable: object, width: int = 100) -> str:
    console = Console(width=width, color_system=None)
    with console.capture() as captured:
        console.print(renderable)
    return captured.get()


def test_the_line_after_a_validation_names_the_change() -> None:
    before = {**METRICS, "val/AP": 0.478, "val/error/mean": 4.9}
    line = table.validation_line(METRICS, before, loss=1.234)
    assert line.plain == "val  AP 0.512 (+0.034)  AP50 0.783 (=)  PCK@0.1 0.710 (=)  error 4.31 px (-0.59)  loss 1.234"
    styles = {line.plain[span.start : span.end]: span.style for span in line.spans}
    assert styles[" (+0.034)"] == "green"
    assert styles[" (-0.59)"] == "green"


def test_the_first_line_has_no_change_and_missing_buckets_are_dashes() -> None:
    assert table.validation_line({"val/AP": float("nan")}, None).plain == f"val  AP {MISSING}"
    assert table.validation_line({"AP": 0.5}, {"AP": 0.6}).plain == "val  AP 0.500 (-0.100)"


def test_the_final_table_has_every_part() -> None:
    text = printed(table.final(METRICS, {"data": 5.0, "network": 15.0}, "title"))
    for part in (
        "title",
        "0.512",
        "0.783",
        "PCK@0.1",
        "4.31 px",
        "no ground truth: APm",
        "no ground truth: unseen",
        "75%",
    ):
        assert part in text, part
    best, worst = text.index("point_9"), text.index("point_0")
    assert best < worst
    assert "point_5" not in text
    assert "-1" not in text
    assert "nan" not in text.lower()


def test_an_empty_run_still_prints() -> None:
    assert "no AP or AR" in printed(table.final({}, {}))


def test_names_are_not_read_as_markup() -> None:
    assert "[red]nose" in printed(table.final({"val/AP/[red]nose": 0.5}))


def test_long_paths_are_not_broken(tmp_path: Path) -> None:
    run = tmp_path / ("deep" * 20)
    run.mkdir()
    (run / "report.html").touch()
    console = Console(width=60, color_system=None)
    with console.capture() as captured:
        table.show(METRICS, run=run, console=console)
    assert [line.split()[1] for line in captured.get().splitlines()[-2:]] == [str(run), str(run / "report.html")]


def test_importing_the_tables_brings_neither_torch_nor_plots() -> None:
    heavy = "{'torch', 'matplotlib', 'cv2', 'PIL', 'numpy'}"
    code = f"import sys, armature.reports.table; print(sorted({heavy} & set(sys.modules)))"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )
