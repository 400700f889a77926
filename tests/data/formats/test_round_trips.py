"""Each format written and read gives back what it says it holds; each pair of formats gives the same points."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from armature.data import recognising
from armature.data.labels.form import Labels, Person
from armature.data.labels.held import KINDS, lost
from armature.data.pictures import picture_size
from armature.errors import DataError

from .conftest import READ_ONLY

#: Formats of people with any points, and those that only know people of so many.
FREE = (
    "coco",
    "csv",
    "cvat",
    "deeplabcut",
    "json_folder",
    "label_studio",
    "labelme",
    "pts",
    "shards",
    "sleap",
    "supervisely",
    "yolo",
)
FIXED = {"coco_wholebody": 133, "crowdpose": 14, "mpii": 16, "wflw": 98}
#: Formats that know points by their place only: names that come out of them are none.
UNNAMED = {"coco_wholebody", "pts", "wflw"}


def test_every_format_is_tried_here() -> None:
    assert sorted([*FREE, *FIXED, *READ_ONLY]) == recognising.names()


def passed(labels: Labels, name: str, folder: Path) -> Labels:
    """The labels after they were written and read in a format."""
    recognising.write(labels, name, folder)
    return recognising.read(folder, name)


def people_of(labels: Labels) -> dict[str, list[Person]]:
    """By the last part of the picture's name, which every format keeps, but for blanks in WFLW's."""
    return {image.file.rpartition("/")[2]: list(image.people) for image in labels.images}


def points_of(labels: Labels, one: Person, names: bool) -> dict[str, tuple[float, ...]]:
    """Places and flags of the labelled points by name, or by place."""
    keypoints = labels.categories[one.category].keypoints
    keys = keypoints if names else [str(i) for i in range(len(keypoints))]
    return {k: (*p, v) for k, p, v in zip(keys, one.keypoints.tolist(), one.visibility.tolist()) if v}


def assert_same_points(before: Labels, after: Labels, names: bool) -> None:
    old, new = people_of(before), people_of(after)
    assert set(old) == set(new)
    for file in old:
        assert len(old[file]) == len(new[file]) == 1
        left, right = points_of(before, old[file][0], names), points_of(after, new[file][0], names)
        assert set(left) == set(right)
        for key in left:
            assert right[key] == pytest.approx(left[key], abs=1e-5), (file, key)


@pytest.mark.parametrize(("first", "count"), [*((f, 4) for f in FREE), *FIXED.items()])
def test_each_format_written_in_each_other_gives_the_same_points(
    first: str, count: int, tmp_path: Path, plain: Callable
) -> None:
    own = recognising.get(first)
    numbered = tuple(f"left {i}" if i % 2 else f"right {i}" for i in range(count))
    before = plain(count, getattr(own, "KEYPOINTS", numbered))
    middle = passed(before, first, tmp_path / "first")
    for second in dict.fromkeys((*FREE, first)):
        assert_pair(before, middle, first, second, tmp_path / second)


@pytest.mark.parametrize(("second", "count"), list(FIXED.items()))
def test_each_format_written_in_one_of_fixed_points(second: str, count: int, tmp_path: Path, plain: Callable) -> None:
    other = recognising.get(second)
    numbered = tuple(f"left {i}" if i % 2 else f"right {i}" for i in range(count))
    before = plain(count, getattr(other, "KEYPOINTS", numbered))
    for first in FREE:
        middle = passed(before, first, tmp_path / first)
        if second == "crowdpose" and first not in ("coco", "shards"):
            with pytest.raises(DataError, match="2 pictures have none"):
                passed(middle, second, tmp_path / f"{first}-{second}")
        else:
            assert_pair(before, middle, first, second, tmp_path / f"{first}-{second}")


def assert_pair(before: Labels, middle: Labels, first: str, second: str, folder: Path) -> None:
    after = passed(middle, second, folder)
    assert_same_points(before, after, names=not {first, second} & UNNAMED)
    if all("splits" in recognising.get(name).HOLDS for name in (first, second)):
        assert {image.split for image in after.images} == {"train", "val"}
    for image in after.images:
        assert picture_size(after.root / image.file) == (24, 32)  # through tars, too
        assert image.size == (24, 32)


@pytest.mark.parametrize("name", [n for n in FREE if n != "pts"])
def test_what_a_format_holds_comes_back(name: str, rich: Labels, tmp_path: Path) -> None:
    gone = recognising.write(rich, name, tmp_path / "it")
    after = recognising.read(tmp_path / "it", name)
    holds = recognising.get(name).HOLDS
    inexact = {"names", "categories", "edges", "flips"} | (
        {"several", "empty"} if name in ("deeplabcut", "sleap") else set()
    )
    inexact |= {"boxes"} if name == "coco" else set()
    inexact |= {"unlabelled", "tracks", "frames"} if name == "deeplabcut" else set()
    # Names that nobody has are lost where each point is labelled for itself, and that is said.
    unseen = "1 names of keypoints that nobody has" in gone
    assert unseen == (name in ("label_studio", "labelme"))
    inexact |= {"unlabelled"} if unseen else set()
    for kind in (set(KINDS) & holds) - inexact:
        assert KINDS[kind](after) == KINDS[kind](rich), kind
    assert not [line for line in gone if any(f"'{k}'" in line for k in holds)]
    full = rich.images[0].people[0]
    found = next(i for i in after.images if i.file.endswith("süß und naß.png"))
    twin = next(p for p in found.people if len(points_of(after, p, True)) == 3)
    expected = points_of(rich, full, True)
    for key, (x, y, v) in points_of(after, twin, True).items():
        assert (x, y) == pytest.approx(expected[key][:2], abs=1e-5)
        assert v == (expected[key][2] if "hidden" in holds else 2)
    if "boxes" in holds:
        assert twin.box == pytest.approx(full.box, abs=1e-5)
    if "polygons" in holds:
        assert np.allclose(twin.polygons[0], full.polygons[0], atol=1e-5)
    if "areas" in holds:
        assert twin.area == full.area
    if "scores" in holds:
        assert twin.scores == pytest.approx(full.scores)
    if "tracks" in holds:
        assert twin.track == "ann"
    if "edges" in holds:
        kept = after.categories[twin.category]
        assert {frozenset(kept.keypoints[i] for i in e) for e in kept.edges} == {
            frozenset(("nose", other)) for other in ("left ear", "right ear", "tail")
        }
    if "flips" in holds and name != "yolo":
        assert after.categories[twin.category].flip == (0, 2, 1, 3)


def test_coco_loses_nothing_and_says_so(rich: Labels, tmp_path: Path) -> None:
    assert recognising.write(rich, "coco", tmp_path / "it", lossless=True) == []
    after = recognising.read(tmp_path / "it")
    assert lost(after, set()) == lost(rich, set())
    crowd = next(p for i in after.images for p in i.people if p.crowd)
    assert crowd.mask == rich.images[1].people[0].mask
    assert (after.images[0].video, after.images[0].frame) == ("film.avi", 3)
    assert after.categories == rich.categories
    assert after.extra == rich.extra
    assert after.images[0].people[0].extra == {"note": "x"}


def test_what_is_lost_is_counted(rich: Labels, tmp_path: Path) -> None:
    gone = recognising.write(rich, "labelme", tmp_path / "it", pictures="none")
    for line in ("4 areas", "1 crowd flags", "1 segments as masks", "1 track ids", "4 edges of skeletons"):
        assert line in gone
    assert "1 further fields 'license'" in gone
    assert not any("boxes" in line or "hidden" in line for line in gone)


def test_lossless_writes_nothing_rather_than_less(rich: Labels, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"(?s)not written, since YOLO-pose cannot hold.*1 crowd flags"):
        recognising.write(rich, "yolo", tmp_path / "it", lossless=True)
    assert list(tmp_path.iterdir()) == []


def test_classes_that_share_one_flip_idx(rich: Labels, tmp_path: Path) -> None:
    gone = recognising.write(rich, "yolo", tmp_path / "it")
    assert [line for line in gone if "share one flip_idx" in line] == []
    after = recognising.read(tmp_path / "it")
    assert [(c.name, len(c.keypoints), c.flip) for c in after.categories] == [
        ("mouse", 4, (0, 2, 1, 3)),
        ("fly", 2, None),
    ]
