"""The metric that decides: from the config of the data to best.ckpt, tables and report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from armature import config_folders, recording
from armature.building import build
from armature.callbacks.checkpoints import Checkpoints
from armature.callbacks.progress import ProgressLine
from armature.configuration import compose
from armature.reports import run_report, table
from armature.reports import scores as s
from armature.run_folder import RunFolder

CONF = config_folders.project()


def watchers(config: DictConfig, folder: Path) -> dict[type, Any]:
    made = recording.recording(config, {}, RunFolder(folder)).callbacks
    return {type(callback): callback for callback in made}


def without(config: DictConfig, *keys: str) -> DictConfig:
    plain: Any = OmegaConf.to_container(config)
    for key in keys:
        node = plain
        *path, last = key.split(".")
        for part in path:
            node = node[part]
        del node[last]
    return OmegaConf.create(plain)


@pytest.mark.parametrize(
    ("experiment", "metric", "mode"),
    [
        ("centernet_synthetic", "val/AP", "max"),
        ("centernet_coco", "val/AP", "max"),
        ("lspe", "val/PCK@0.2", "max"),
        ("openfield", "val/error/mean", "min"),
        ("helen", "val/NME", "min"),
    ],
)
def test_the_data_says_which_metric_decides(experiment: str, metric: str, mode: str, tmp_path: Path) -> None:
    config = compose("train", [f"experiment={experiment}", "logger=none"])
    watched = watchers(config, tmp_path)
    assert (watched[Checkpoints].monitor, watched[Checkpoints].mode) == (metric, mode)
    assert watched[ProgressLine].primary == metric
    judge = build(config.metrics).judge
    measured = {head for name, measure in (judge.standard | judge.measures).items() for head in measure.heads(name)}
    assert metric.removeprefix("val/") in measured | {"AP"}


@pytest.mark.parametrize("name", config_folders.groups()["data"])
def test_every_data_set_says_it(name: str) -> None:
    assert yaml.safe_load((CONF / "data" / f"{name}.yaml").read_text())["primary"].startswith(
        ("val/", "${folder:")  # a folder says it when it is read
    )


def test_the_command_line_has_the_last_word(tmp_path: Path) -> None:
    given = ["data=openfield", "skeleton=openfield_mouse", "logger=none", "early_stopping=3"]
    watched = watchers(compose("train", [*given, "monitor=val/matched"]), tmp_path)
    assert (watched[Checkpoints].monitor, watched[Checkpoints].mode) == ("val/matched", "max")
    watched = watchers(compose("train", [*given, "monitor=val/error/median", "monitor_mode=max"]), tmp_path)
    assert watched[Checkpoints].mode == "max"
    assert next(c.mode for kind, c in watched.items() if kind.__name__ == "EarlyStopping") == "max"


def test_data_that_says_nothing_goes_by_ap(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    own = yaml.safe_load((CONF / "data" / "synthetic.yaml").read_text())
    del own["primary"]
    (tmp_path / "data" / "own.yaml").write_text(yaml.safe_dump(own))
    assert compose("train", ["data=own"], [tmp_path]).monitor == "val/AP"


def test_configs_of_runs_from_before_are_still_built(tmp_path: Path) -> None:
    """They have monitor and monitor_mode, but neither measures nor a primary metric."""
    config = compose("train", ["logger=none", "monitor=val/PCK@0.1", "monitor_mode=max"])
    old = without(config, "metrics.measures", "data.primary")
    watched = watchers(old, tmp_path)
    assert (watched[Checkpoints].monitor, watched[Checkpoints].mode) == ("val/PCK@0.1", "max")
    assert build(old.metrics).judge.measures == {}
    assert build(old.data).batch_size == 8


METRICS = {
    "val/AP": 0.5,
    "val/AP50": 0.8,
    "val/PCK@0.1": 0.6,
    "val/error/mean": 3.0,
    "val/NME": 0.0345,
    **{f"val/{metric}/{k}": 0.03 * i for metric in ("NME", "PCK@0.1") for i, k in enumerate(("nose", "left_eye"), 1)},
    "val/NME/group:eyes": 0.0777,
    "val/PCK@0.1/group:eyes": 0.4444,
}


def printed(renderable: Any) -> str:
    console = Console(width=100, color_system=None)
    with console.capture() as captured:
        console.print(renderable)
    return captured.get()


@pytest.mark.parametrize(
    ("primary", "line"),
    [
        ("val/NME", "val  NME 0.0345 (-0.005)  AP 0.500"),
        ("val/error/mean", "val  error 3.00 px  AP 0.500"),
        ("val/AP", "val  AP 0.500  AP50 0.800"),
        (None, "val  AP 0.500  AP50 0.800"),
    ],
)
def test_the_line_after_a_validation_begins_with_it(primary: str | None, line: str) -> None:
    said = table.validation_line(METRICS, {"val/NME": 0.04}, primary=primary)
    assert said.plain.startswith(line) and "group" not in said.plain
    assert primary != "val/NME" or any(span.style == "green" for span in said.spans)


def test_the_tables_begin_with_it() -> None:
    text = printed(table.final(METRICS, primary="val/NME"))
    heads = next(line.split() for line in text.splitlines() if line.strip())
    assert heads[:3] == ["val", "NME", "AP"] and "eyes" not in text
    best = next(line for line in text.splitlines() if "best keypoints" in line)
    assert "NME" in best and text.index("nose") < text.index("left_eye"), "smaller is better"


def test_the_page_begins_with_it_and_shows_groups() -> None:
    assert run_report.headline(METRICS, "val/NME")[:2] == [("NME", "0.0345", True), ("AP", "0.500", True)]
    assert run_report.headline(METRICS)[0] == ("AP", "0.500", True)
    assert run_report.headline({"val/AP": 0.5, "val/NME": None}, "val/NME")[0][0] == "AP"
    keypoints = run_report.keypoint_table(METRICS, "val/NME")
    assert keypoints is not None and keypoints["lead"] == "NME"
    assert [row["name"] for row in keypoints["rows"]] == ["nose", "left_eye"]
    assert keypoints["groups"][0]["name"] == "eyes" and "0.0777" in keypoints["groups"][0]["cells"]


def test_groups_are_no_keypoints() -> None:
    values = s.of_split(METRICS)
    assert s.by_group(values)["PCK@0.1"] == {"eyes": 0.4444}
    assert set(s.by_keypoint(values)["PCK@0.1"]) == {"nose", "left_eye"}
    assert (
        "NME/group:eyes" not in s.whole(values) and s.bare("val/NME") == "NME" and s.bare("error/mean") == "error/mean"
    )
