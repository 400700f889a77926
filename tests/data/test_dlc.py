"""DeepLabCut's labels: projects and bare csv files, with whatever their users left empty."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from armature import skeletons
from armature.data.dlc import DeepLabCut
from armature.errors import DataError
from armature.structures import Skeleton

HEADER = """\
scorer,Ann,Ann,Ann,Ann,Ann,Ann
bodyparts,nose,nose,left_eye,left_eye,right_eye,right_eye
coords,x,y,x,y,x,y
"""


def project(folder: Path, rows: str, header: str = HEADER, config: str | None = "scorer: Ann\nTask: x\n") -> Path:
    """A project of one video with pictures a.png and b.png of 40 x 60."""
    labels = folder / "labeled-data" / "video"
    labels.mkdir(parents=True, exist_ok=True)
    for name in "ab":
        cv2.imwrite(str(labels / f"{name}.png"), np.zeros((40, 60, 3), np.uint8))
    (labels / "CollectedData_Ann.csv").write_text(header + rows)
    if config is not None:
        (folder / "config.yaml").write_text(config)
    return folder


TWO = "labeled-data/video/a.png,10,5,20,6,12.5,25\nlabeled-data/video/b.png,1,2,,,3,4\n"


def test_points_come_in_continuous_coordinates(tmp_path: Path, trio: Skeleton) -> None:
    source = DeepLabCut(project(tmp_path, TWO), trio)
    first, second = source.records
    assert first.keypoints[0].tolist() == [[10.5, 5.5], [20.5, 6.5], [13, 25.5]]
    assert second.visibility.tolist() == [[2, 0, 2]]
    assert (first.image_id, second.image_id, first.size) == (1, 2, (40, 60))
    assert second.annotation_ids.tolist() == [2]
    assert source.check() == []
    assert source.read(1)[0].shape == (40, 60, 3)


def test_boxes_are_the_widened_bounds_of_the_points(tmp_path: Path, trio: Skeleton) -> None:
    first, second = DeepLabCut(project(tmp_path, TWO), trio, margin=0.1).records
    # 20 px high: 2 px on every side; then cut off at the edge of the picture, with at least 2 % of 60 px.
    assert first.boxes[0].tolist() == pytest.approx([8.5, 3.5, 22.5, 27.5])
    assert first.areas[0] == pytest.approx(0.53 * 14 * 24)
    assert second.boxes[0].tolist() == pytest.approx([0.3, 1.3, 4.7, 5.7])


def test_every_kind_of_index_is_read(tmp_path: Path, trio: Skeleton) -> None:
    expected = DeepLabCut(project(tmp_path / "one", TWO), trio)
    split = "\n".join(line.replace(",", ",,,", 1) for line in HEADER.splitlines()) + "\n"
    three = DeepLabCut(project(tmp_path / "three", TWO.replace("/", ","), split), trio)
    windows = DeepLabCut(project(tmp_path / "windows", TWO.replace("/", "\\")), trio)
    for other in (three, windows):
        assert [r.file for r in other.records] == [r.file for r in expected.records]
        assert np.array_equal(other.records[1].keypoints, expected.records[1].keypoints)


def test_a_bare_csv_finds_its_pictures(tmp_path: Path, trio: Skeleton) -> None:
    folder = project(tmp_path, TWO, config=None)
    inside = folder / "labeled-data" / "video" / "CollectedData_Ann.csv"
    assert DeepLabCut(inside, trio).check() == []
    (folder / "CollectedData.csv").write_text(inside.read_text())
    for root in (folder, folder / "CollectedData.csv"):
        source = DeepLabCut(root, trio)
        assert (len(source), source.check()) == (2, [])


def test_several_animals(tmp_path: Path, trio: Skeleton) -> None:
    header = (
        "scorer,Ann,Ann,Ann,Ann,Ann,Ann,Ann,Ann\n"
        "individuals,m1,m1,m1,m1,m2,m2,single,single\n"
        "bodyparts,nose,nose,left_eye,left_eye,right_eye,right_eye,corner,corner\n"
        "coords,x,y,x,y,x,y,x,y\n"
    )
    rows = "labeled-data/video/a.png,1,1,2,2,30,30,9,9\nlabeled-data/video/b.png,,,,,5,5,9,9\n"
    with pytest.warns(UserWarning, match=r"\['corner'\] are not in skeleton 'trio'"):
        first, second = DeepLabCut(project(tmp_path, rows, header), trio).records
    assert first.visibility.tolist() == [[2, 2, 0], [0, 0, 2]]
    assert second.visibility.tolist() == [[0, 0, 2]]
    assert (first.annotation_ids.tolist(), second.annotation_ids.tolist()) == ([1, 2], [3])


def test_a_frame_without_labels_has_nobody(tmp_path: Path, trio: Skeleton) -> None:
    record = DeepLabCut(project(tmp_path, "labeled-data/video/a.png,,,,,,\n"), trio).records[0]
    assert record.keypoints.shape == (0, 3, 2)
    assert record.boxes.shape == (0, 4)


def test_names_decide_the_order(tmp_path: Path) -> None:
    swapped = skeletons.make("swapped", ["right_eye", "left_eye"])
    with pytest.warns(UserWarning, match=r"\['nose'\]"):
        record = DeepLabCut(project(tmp_path, TWO), swapped).records[0]
    assert record.keypoints[0].tolist() == [[13, 25.5], [20.5, 6.5]]


def test_a_missing_picture_is_found_before_training(tmp_path: Path, trio: Skeleton) -> None:
    folder = project(tmp_path, TWO)
    (folder / "labeled-data/video/b.png").unlink()
    (problem,) = DeepLabCut(folder, trio).check()
    assert (problem.index, problem.reason) == (1, "no such file")


BROKEN = [
    ("labeled-data/video/a.png,x,5,20,6,12,25\n", r"row 4 \(labeled-data/video/a.png\), column 2: 'x' is no number"),
    ("labeled-data/video/a.png,inf,5,20,6,12,25\n", "column 2: 'inf' is not finite"),
    ("labeled-data/video/a.png,1,,20,6,12,25\n", "column 2: only one of x and y is given"),
    ("../a.png,1,1,20,6,12,25\n", "row 4: picture path leaves the folder: '../a.png'"),
    (TWO + TWO, "picture 'labeled-data/video/a.png' is labelled more than once"),
    ("", "has no labelled pictures"),
]


@pytest.mark.parametrize(("rows", "message"), BROKEN)
def test_broken_rows_are_refused(rows: str, message: str, tmp_path: Path, trio: Skeleton) -> None:
    with pytest.raises(DataError, match=rf"(?s)CollectedData_Ann\.csv: .*{message}"):
        DeepLabCut(project(tmp_path, rows), trio)


def test_broken_headers_are_refused(tmp_path: Path, trio: Skeleton) -> None:
    with pytest.raises(DataError, match=r"expected header rows scorer, \(individuals,\) bodyparts, coords"):
        DeepLabCut(project(tmp_path, TWO, header=""), trio)
    with pytest.raises(DataError, match=r"row 'bodyparts' lacks \['left_eye'\] of skeleton 'trio'"):
        DeepLabCut(project(tmp_path, TWO, HEADER.replace("left_eye", "snout")), trio)


def test_what_is_no_project_is_refused(tmp_path: Path, trio: Skeleton) -> None:
    with pytest.raises(DataError, match="no such folder"):
        DeepLabCut(tmp_path / "gone", trio)
    with pytest.raises(DataError, match=r"gone\.csv: no such file"):
        DeepLabCut(tmp_path / "gone.csv", trio)
    with pytest.raises(DataError, match=r"expected config\.yaml, or one CollectedData\*\.csv; found neither"):
        DeepLabCut(tmp_path, trio)
    (tmp_path / "config.yaml").write_text("a: [")
    with pytest.raises(DataError, match=r"config\.yaml: is not YAML"):
        DeepLabCut(tmp_path, trio)
    (tmp_path / "config.yaml").write_text("scorer: Bob")
    with pytest.raises(DataError, match="h5 files are not read"):
        DeepLabCut(tmp_path, trio)


def test_labels_of_several_people_are_told_apart(tmp_path: Path, trio: Skeleton) -> None:
    folder = project(tmp_path, TWO)
    labels = folder / "labeled-data" / "video"
    (labels / "CollectedData_Bob.csv").write_text(HEADER)
    assert len(DeepLabCut(folder, trio)) == 2
    (folder / "config.yaml").write_text("scorer: Eve")
    with pytest.raises(DataError, match="labels of several people"):
        DeepLabCut(folder, trio)


@pytest.mark.data
@pytest.mark.parametrize(
    ("root", "file", "name", "pictures"),
    [
        ("openfield", "openfield/labeled-data/m4s1/CollectedData_Pranav.csv", "openfield_mouse", 116),
        ("mirror_mouse", "mirror_mouse/CollectedData.csv", "mirror_mouse", 90),
    ],
)
def test_real_projects_agree_with_a_loop_over_cells(
    root: str, file: str, name: str, pictures: int, real_data: Path, skeleton_file: Callable
) -> None:
    source = DeepLabCut(real_data / root, skeleton_file(name))
    assert len(source) == pictures
    assert source.check() == []
    with open(real_data / file, newline="") as stream:
        lines = list(csv.reader(stream))
    for record, line in zip(source.records, lines[3:]):
        assert record.file == line[0]
        for k, point in enumerate(source.skeleton.keypoints):
            x, y = (line[i] for i in range(1, len(line)) if lines[1][i] == point)
            assert record.visibility[0, k] == (2 if x else 0)
            if x:
                assert record.keypoints[0, k].tolist() == [float(x) + 0.5, float(y) + 0.5]
    inside = (record.boxes[0, 0] >= 0) & (record.boxes[0, 3] <= record.size[0])
    assert inside
