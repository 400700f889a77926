"""Subjects to check: built by hand, or the real data sets."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from armature import skeletons
from armature.checking.people import Rows
from armature.checking.subject import Picture, Subject
from armature.structures import Skeleton
from checking_people import CORNER, SIDES, SIZE, sound, upright

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def real_data() -> Path:
    """The folder of real data sets; the test is skipped where there is none."""
    folder = Path(os.environ.get("ARMATURE_DATA") or REPOSITORY.parent / "shared" / "data")
    if not (folder / "coco_mini").is_dir():
        pytest.skip(f"no real data at {folder}; set ARMATURE_DATA")
    return folder


@pytest.fixture(scope="session")
def person() -> Skeleton:
    """COCO's seventeen points."""
    return skeletons.load(REPOSITORY / "conf" / "skeleton" / "coco_person.yaml")


@pytest.fixture
def subject_of(person: Skeleton) -> Callable[..., Subject]:
    """A subject of one picture a person, from rows of keyword arguments of ``Rows.add`` over those of a sound one."""

    def make(*changes: dict[str, object], skeleton: Skeleton = person, pictures: int | None = None) -> Subject:
        count = len(changes) if pictures is None else pictures
        subject = Subject("made", [Picture(f"{i}.jpg", Path(f"{i}.jpg"), SIZE, "train", i) for i in range(count)])
        subject.facts = [sound(i) for i in range(count)]
        rows = Rows("person", skeleton)
        for i, change in enumerate(changes):
            fields: dict[str, object] = {
                "picture": min(i, count - 1),
                "keypoints": upright(i),
                "visibility": np.full(skeleton.count, 2),
                "box": np.concatenate([CORNER, CORNER + SIDES]),
                "area": 9000.0,
                "ident": i + 1,
                "counted": 17,
            }
            rows.add(**(fields | change))  # type: ignore[arg-type]
        subject.groups = [rows.group()]
        return subject

    return make
