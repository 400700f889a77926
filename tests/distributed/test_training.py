"""A whole training by two processes: one run, each image judged once, and the numbers those of its checkpoint."""

from __future__ import annotations

import csv
import json
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))

from small_runs import DDP, OURS, finished, only_run, torchrun

from armature import cli

#: Ranks get 17 and 16 of these, and so different numbers of batches.
IMAGES = 33
UNEVEN = [f"data.val.length={IMAGES}", "+data.val_batch_size=1", "trainer.max_epochs=2"]


def draws(runs: Path, ranks: int) -> dict[tuple[int, int], list[int]]:
    """(epoch, batch) -> the images that all ranks trained on together, in ascending order."""
    found: dict[tuple[int, int], list[int]] = {}
    for rank in range(ranks):
        for line in Path(f"{runs}.{rank}").read_text().splitlines():
            epoch, batch, *images = map(int, line.split())
            found.setdefault((epoch, batch), []).extend(images)
    return {place: sorted(images) for place, images in found.items()}


def noting(file: Path) -> list[str]:
    return ["+logger.pace._target_=faults.Pace", f"+logger.pace.note={file}"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the run of two processes."""
    folder = tmp_path_factory.mktemp("two")
    code, _, err = finished(OURS, folder, *DDP, *UNEVEN, *noting(folder / "draws"))
    assert code == 0, err
    assert not err.strip(), err
    return folder


@pytest.fixture(scope="module")
def run(runs: Path) -> Path:
    return only_run(runs)


pytestmark = pytest.mark.long


def test_one_folder_by_the_first_rank_alone(run: Path) -> None:
    names = {p.relative_to(run).as_posix() for p in run.rglob("*") if p.is_file()}
    promised = {"config.yaml", "provenance.json", "metrics.json", "history.csv", "predictions.json", "report.html"}
    assert promised | {"checkpoints/best.ckpt", "checkpoints/last.ckpt"} <= names
    assert not [name for name in names if name.endswith((".tmp", ".partial"))]
    (segment,) = json.loads((run / "provenance.json").read_text())["segments"]
    assert (segment["processes"], segment["nodes"], segment["launcher"]) == (2, 1, "armature")
    assert segment["status"] == "finished"
    assert [row["epoch"] for row in csv.DictReader((run / "history.csv").open())] == ["1", "2"]


def test_every_image_is_judged_once_and_the_numbers_are_those_of_one_process(run: Path, tmp_path: Path) -> None:
    written = json.loads((run / "metrics.json").read_text())
    assert written["protocol"]["images"] == IMAGES
    assert cli.main(["evaluate", f"run={run}", f"output={tmp_path}"]) == 0
    assert json.loads((tmp_path / "metrics.json").read_text())["metrics"] == written["metrics"]
    found = json.loads((run / "predictions.json").read_text())
    each = Counter(person["image_id"] for person in found)
    assert len(each) == IMAGES and max(each.values()) <= 20
    assert len({json.dumps(person) for person in found}) == len(found)


def test_validation_in_training_is_of_the_network_that_is_kept(run: Path) -> None:
    """The processes' normalisation statistics differ; without copying them, val/* would be of no checkpoint."""
    written = json.loads((run / "metrics.json").read_text())
    rows = list(csv.DictReader((run / "history.csv").open()))
    kept = rows[written["checkpoint"]["epoch"]]
    for name in ("val/error/mean", "val/PCK@0.1", "val/AP"):
        assert float(kept[name]) == written["metrics"][name]


def test_two_processes_see_what_one_sees(runs: Path, tmp_path: Path) -> None:
    """The same global batches in the same order, each half of them."""
    alone = [*UNEVEN, "trainer=cpu", "trainer.threads=1", "trainer.precision=32-true", "data.batch_size=8"]
    code, _, err = finished(OURS, tmp_path, *alone, *noting(tmp_path / "draws"))
    assert code == 0, err
    one, two = draws(tmp_path / "draws", 1), draws(runs / "draws", 2)
    assert one == two and len(one) == 6
    first, second = (only_run(folder) for folder in (tmp_path, runs))
    a, b = (
        [json.loads(json.dumps(row)) for row in csv.DictReader((f / "history.csv").open())] for f in (first, second)
    )
    assert [row["step"] for row in a] == [row["step"] for row in b] == ["3", "6"]


@pytest.mark.long
def test_torchrun_and_multirun_leave_one_folder_a_run(tmp_path: Path) -> None:
    code, out, err = finished([*torchrun(2)], tmp_path, *DDP, "-m", "seed=3,4", "trainer.devices=auto")
    assert code == 0, err
    assert "2 of 2 runs succeeded" in out and out.count("2 processes") == 2
    found = sorted(tmp_path.glob("default/*"))
    assert len(found) == 2
    assert sorted(yaml.safe_load((f / "config.yaml").read_text())["seed"] for f in found) == [3, 4]
    assert all((f / "report.html").is_file() for f in found)


@pytest.mark.long
def test_multirun_starts_its_own_processes(tmp_path: Path) -> None:
    code, out, err = finished(OURS, tmp_path, *DDP, "-m", "seed=3,4")
    assert code == 0, err
    assert "2 of 2 runs succeeded" in out and out.count("2 processes") == 2
    assert len(list(tmp_path.glob("default/*/report.html"))) == 2


def test_another_number_of_processes_than_the_config_asks_for(tmp_path: Path) -> None:
    code, _, err = finished(torchrun(2), tmp_path, *DDP, "trainer.devices=3")
    assert code != 0
    assert "torchrun started 2 processes on each of 1 nodes" in err and "trainer.devices=2" in err
    assert not list(tmp_path.iterdir())
