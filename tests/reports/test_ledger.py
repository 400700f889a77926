"""The ledger's rows from files alone, and the committed table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from armature import config_folders
from armature.errors import ConfigError, UserError
from armature.reports import ledger

PROMISE = {"metric": "val/AP", "value": 0.5, "tolerance": 0.02, "source": "a | b", "protocol": "flip test"}


def lay(root: Path, files: dict[str, Any]) -> tuple[Path, Path]:
    """conf/ and experiments/ with these files, as data or as text."""
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        dump = json.dumps if name.endswith(".json") else yaml.safe_dump
        (root / name).write_text(content if isinstance(content, str) else dump(content))
    (root / "experiments").mkdir(exist_ok=True)
    return root / "conf", root / "experiments"


def only(root: Path, files: dict[str, Any]) -> ledger.Row:
    (row,) = ledger.rows(*lay(root, files))
    return row


def test_the_committed_table_is_what_the_files_give() -> None:
    experiments = config_folders.project().parent / "experiments"
    text = (experiments / "README.md").read_text(encoding="utf-8")
    table = ledger.markdown(ledger.rows(config_folders.project(), experiments))
    assert ledger.with_table(text, table) == text, "write it anew: armature reproduce table=true"
    assert "| 0.589 ± 0.008 |" in table and "[default](default/)" in table


@pytest.mark.parametrize(
    ("found", "verdict"), [(0.48, "reached"), (0.7, "reached"), (0.47, "missed by 0.03"), (None, "not measured")]
)
def test_a_result_is_judged_by_what_the_config_says_today(found: float | None, verdict: str, tmp_path: Path) -> None:
    result = {
        "expected": PROMISE | {"value": 0.1},
        "reached": True,
        "metrics": {"val/AP": found},
        "evidence": "trained 2026-01-01, 3 min 00 s, 2 cores of X",
    }
    files = {"conf/experiment/one.yaml": {"expected": PROMISE}, "experiments/one/result.json": result}
    row = only(tmp_path, files)
    assert row.verdict == verdict and row.found == found
    cells = ledger.markdown([row]).splitlines()[2].split(" | ")
    shown = "–" if found is None else f"{found:.3f}"  # noqa: RUF001
    assert cells[:4] == ["| [one](one/)", "val/AP", "0.5 ± 0.02", shown]
    assert cells[5:] == ["trained 2026-01-01, 3 min 00 s, 2 cores of X", "a \\| b; flip test |"]


def test_a_recorded_run_is_judged_too(tmp_path: Path) -> None:
    files = {
        "conf/experiment/one.yaml": {"expected": PROMISE},
        "experiments/one/metrics.json": {"metrics": {"val/AP": 0.3}},
    }
    row = only(tmp_path, files)
    assert row.verdict == "missed by 0.2" and row.evidence == "[metrics.json](one/metrics.json)"


def test_a_result_counts_for_more_than_a_record(tmp_path: Path) -> None:
    files = {
        "conf/experiment/one.yaml": {"expected": PROMISE},
        "experiments/one/metrics.json": {"metrics": {"val/AP": 0.3}},
        "experiments/one/result.json": {"metrics": {"val/AP": 0.6}, "evidence": "x", "expected": PROMISE},
    }
    assert only(tmp_path, files).found == 0.6


@pytest.mark.parametrize(
    ("metrics", "config", "metric", "found"),
    [
        ({"metrics": {"val/AP": 0.3, "val/error/mean": 4}}, {"monitor": "val/error/mean"}, "val/error/mean", 4),
        ({"metrics": {"val/AP": 0.3, "val/NME": 0.1}, "primary": "val/NME"}, {"monitor": "val/AP"}, "val/NME", 0.1),
        ({"pooled/error/mean": 3.4, "folds": {}}, {"monitor": "val/error/mean"}, "val/error/mean", 3.4),
        ({"metrics": {"val/AP": None}}, {"monitor": "val/AP"}, "val/AP", None),
    ],
)
def test_without_a_promise_the_record_shows_its_own_metric(
    metrics: dict[str, Any], config: dict[str, Any], metric: str, found: float | None, tmp_path: Path
) -> None:
    row = only(tmp_path, {"experiments/one/metrics.json": metrics, "experiments/one/config.yaml": config})
    assert (row.metric, row.found, row.verdict) == (metric, found, "recorded, nothing promised")


def test_what_was_not_run_says_what_it_needs(tmp_path: Path) -> None:
    defaults = {
        "drawn": [{"override /data": "drawn"}],
        "files": [{"override /data": "files"}, {"override /trainer": "slow"}],
        "both": [{"override /data": "files"}, "/mosaic@data.mosaic: four", {"override /trainer": "fast"}],
        "nothing": [],
    }
    conf, experiments = lay(
        tmp_path,
        {
            "conf/data/drawn.yaml": {"canvas": [1, 1]},
            "conf/data/files.yaml": {"root": "${oc.env:ARMATURE_DATA,../shared/data}/files"},
            "conf/trainer/slow.yaml": {"accelerator": "cpu"},
            "conf/trainer/fast.yaml": {"accelerator": "gpu"},
            **{f"conf/experiment/{name}.yaml": {"defaults": d} for name, d in defaults.items()},
        },
    )
    rows = {row.name: row for row in ledger.rows(conf, experiments)}
    assert {name: row.verdict for name, row in rows.items()} == {
        "both": "not run: needs data `files` and a GPU",
        "drawn": "not run",
        "files": "not run: needs data `files`",
        "nothing": "not run",
    }
    assert rows["both"].gpu and rows["both"].data == ["${oc.env:ARMATURE_DATA,../shared/data}/files"]


def test_the_page_keeps_everything_around_the_table(tmp_path: Path) -> None:
    conf, experiments = lay(tmp_path, {"conf/experiment/one.yaml": {"expected": PROMISE}})
    page = ledger.update(conf, experiments)  # there was none
    assert page.read_text().startswith("# Experiments\n") and "| one | val/AP |" in page.read_text()
    page.write_text("Before.\n" + page.read_text().replace("0.5 ±", "0.9 ±") + "After.\n")
    once = ledger.update(conf, experiments).read_text()
    assert once.startswith("Before.\n") and once.endswith("After.\n") and "0.5 ± 0.02" in once and "0.9" not in once
    assert ledger.update(conf, experiments).read_text() == once


@pytest.mark.parametrize("page", ["no marks", ledger.BEGIN, f"{ledger.END}\n{ledger.BEGIN}", ledger.BEGIN * 2])
def test_a_page_without_one_pair_of_marks_is_left_alone(page: str, tmp_path: Path) -> None:
    conf, experiments = lay(tmp_path, {"experiments/README.md": page})
    with pytest.raises(UserError, match=r"README\.md: the table stands between"):
        ledger.update(conf, experiments)
    assert (experiments / "README.md").read_text() == page


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("experiments/one/result.json", "{"),
        ("experiments/one/metrics.json", "[1]"),
        ("conf/experiment/one.yaml", "a: ["),
    ],
)
def test_a_file_that_cannot_be_read_is_named(name: str, content: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=name.replace(".", r"\.")):
        ledger.rows(*lay(tmp_path, {name: content}))


def test_a_promise_that_cannot_be_compared_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected"):
        ledger.rows(*lay(tmp_path, {"conf/experiment/one.yaml": {"expected": {"metric": "val/AP"}}}))
