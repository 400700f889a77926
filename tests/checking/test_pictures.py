"""Picture files: facts and their notes, look-alikes, and what is said of files."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from armature.checking import facts, likeness
from armature.checking.findings import ERROR, NOTE, WARNING, Finding
from armature.checking.kinds import balance, copies, pictures
from armature.checking.subject import Picture, Subject


def scene(seed: int, size: tuple[int, int] = (120, 160)) -> np.ndarray:
    """Something with large and small shapes, BGR."""
    rng = np.random.default_rng(seed)
    coarse = cv2.resize(rng.integers(0, 255, (5, 7, 3), dtype=np.uint8), size[::-1], interpolation=cv2.INTER_CUBIC)
    for _ in range(12):
        centre = tuple(int(v) for v in rng.integers(0, min(size), 2))
        cv2.circle(coarse, centre, int(rng.integers(4, 18)), [int(v) for v in rng.integers(0, 255, 3)], -1)
    return coarse


def looked_at(root: Path, *names: str, sizes: dict[str, tuple[int, int]] | None = None) -> Subject:
    """A subject of these files, "train/a.jpg", read."""
    subject = Subject("made")
    for i, name in enumerate(names):
        size = (sizes or {}).get(name, (120, 160))
        subject.pictures.append(Picture(name, root / name, size, name.split("/")[0], i))
    subject.facts = facts.gather([p.path for p in subject.pictures])[0]
    return subject


def save(path: Path, pixels: np.ndarray, quality: int = 92) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return path


def told(found: list[Finding]) -> list[tuple[str, str]]:
    return [(f.severity, f.picture) for f in found]


def test_facts_of_one_file(tmp_path: Path) -> None:
    found = facts.read(save(tmp_path / "a.jpg", scene(0, (480, 640))))
    assert (found.size, found.orientation, found.fault, found.missing) == ((480, 640), 1, "", False)
    grey = cv2.cvtColor(scene(0, (480, 640)), cv2.COLOR_BGR2GRAY)
    expected = cv2.resize(grey, (facts.SIDE, facts.SIDE), interpolation=cv2.INTER_AREA)
    assert np.abs(found.miniature.astype(int) - expected).mean() < 4


def test_missing_torn_and_false_files(tmp_path: Path) -> None:
    whole = save(tmp_path / "train/a.jpg", scene(0)).read_bytes()
    (tmp_path / "train/torn.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "train/text.jpg").write_text("no picture")
    (tmp_path / "train/empty.jpg").write_bytes(b"")
    names = ["train/a.jpg", "train/torn.jpg", "train/text.jpg", "train/empty.jpg", "train/gone.jpg"]
    subject = looked_at(tmp_path, *names)
    assert told(list(pictures.unreadable(subject))) == [(ERROR, n) for n in names[1:4]]
    assert told(list(pictures.missing(subject))) == [(ERROR, names[4])]
    assert subject.alike == []


def test_sizes_and_exif(tmp_path: Path) -> None:
    for name in ("a", "b", "turned", "lying", "mirrored"):
        save(tmp_path / f"train/{name}.jpg", scene(0))
    for name, orientation in (("turned", 6), ("lying", 8), ("mirrored", 2)):
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.open(tmp_path / f"train/{name}.jpg").save(tmp_path / f"train/{name}.jpg", exif=exif)
    names = [f"train/{n}.jpg" for n in ("a", "b", "turned", "lying", "mirrored")]
    sizes = {names[1]: (60, 80), names[2]: (160, 120)}
    subject = looked_at(tmp_path, *names, sizes=sizes)
    (mismatch,) = pictures.size_mismatch(subject)
    assert (mismatch.picture, mismatch.severity) == (names[1], ERROR)
    assert "is 160 x 120, the labels say 80 x 60" in mismatch.what
    # Labelled on the upright picture: an error; labelled as stored: to be looked at.
    assert told(list(pictures.exif_rotation(subject))) == [(ERROR, names[2]), (WARNING, names[3]), (WARNING, names[4])]


def test_pictures_of_one_colour(tmp_path: Path) -> None:
    save(tmp_path / "train/a.jpg", scene(0))
    save(tmp_path / "train/black.jpg", np.zeros((120, 160, 3), np.uint8))
    subject = looked_at(tmp_path, "train/a.jpg", "train/black.jpg")
    assert told(list(pictures.blank(subject))) == [(WARNING, "train/black.jpg")]


def test_unlisted_pictures(tmp_path: Path) -> None:
    subject = Subject("made", [Picture(f"{i}.jpg", tmp_path / f"{i}.jpg") for i in range(40)])
    subject.unlisted = {tmp_path: ["x.jpg"]}
    assert told(list(pictures.unlisted(subject))) == [(WARNING, "x.jpg")]
    subject.unlisted = {tmp_path: [f"x{i}.jpg" for i in range(20)]}
    (note,) = pictures.unlisted(subject)
    assert note.severity == NOTE and "20 of 60 pictures" in note.what


CHANGES = {
    "compressed": lambda p: cv2.imdecode(cv2.imencode(".jpg", p, [cv2.IMWRITE_JPEG_QUALITY, 30])[1], 1),
    "smaller": lambda p: cv2.resize(p, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
    "brighter": lambda p: cv2.convertScaleAbs(p, alpha=0.8, beta=30),
    "grey": lambda p: cv2.cvtColor(cv2.cvtColor(p, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR),
    "mirrored": lambda p: cv2.flip(p, 1),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_same_picture_is_recognised(tmp_path: Path, change: str) -> None:
    for i in range(6):
        save(tmp_path / f"train/{i}.jpg", scene(i, (240, 320)))
    save(tmp_path / "train/again.jpg", CHANGES[change](scene(3, (240, 320))))
    subject = looked_at(tmp_path, *[f"train/{i}.jpg" for i in range(6)], "train/again.jpg")
    (pair,) = subject.alike
    assert (pair.first, pair.second, pair.mirrored) == (3, 6, change == "mirrored")
    (found,) = copies.near(subject)
    assert (found.picture, found.severity) == ("train/again.jpg", WARNING)
    assert "train/3.jpg" in found.what


def test_something_that_moved_is_another_picture(tmp_path: Path) -> None:
    """A camera that stands still: all but one object is the same."""
    for i, x in enumerate((40, 110, 200)):
        still = scene(0, (240, 320))
        cv2.circle(still, (x, 150), 26, (0, 0, 0), -1)
        save(tmp_path / f"train/{i}.jpg", still)
    assert looked_at(tmp_path, *[f"train/{i}.jpg" for i in range(3)]).alike == []


def test_copies_and_leaks(tmp_path: Path) -> None:
    data = save(tmp_path / "train/a.jpg", scene(0)).read_bytes()
    for name in ("train/copy.jpg", "val/leak.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    save(tmp_path / "val/other.jpg", scene(1))
    save(tmp_path / "val/near.jpg", cv2.resize(scene(0), None, fx=0.7, fy=0.7))
    names = ["train/a.jpg", "train/copy.jpg", "val/leak.jpg", "val/other.jpg", "val/near.jpg"]
    subject = looked_at(tmp_path, *names)
    assert told(list(copies.exact(subject))) == [(WARNING, "train/copy.jpg")]
    assert told(list(copies.leakage(subject))) == [(ERROR, "val/leak.jpg"), (WARNING, "val/near.jpg")]
    assert list(copies.near(subject)) == []
    undivided = looked_at(tmp_path, *names)
    undivided.pictures = [replace(p, split="") for p in undivided.pictures]
    assert list(copies.leakage(undivided)) == []


def test_a_film_is_one_note(tmp_path: Path) -> None:
    for i in range(24):
        save(tmp_path / f"train/{i}.jpg", scene(0), quality=40 + i)
    subject = looked_at(tmp_path, *[f"train/{i}.jpg" for i in range(24)])
    (note,) = copies.near(subject)
    assert note.severity == NOTE and "24 of 24" in note.what
    subject.pictures = [replace(p, split="val" if i % 2 else "train") for i, p in enumerate(subject.pictures)]
    (warning,) = copies.leakage(subject)
    assert warning.severity == WARNING and warning.picture == ""


def test_pairs_are_those_of_a_search_one_by_one() -> None:
    """Hashes as sums of differing bits, over all pairs."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 255, (60, facts.SIDE, facts.SIDE), dtype=np.uint8)
    small[40:] = np.clip(small[:20].astype(int) + rng.integers(-9, 9, small[:20].shape), 0, 255)
    signs = likeness.hashes(small) > 0
    near = {(i, j) for i in range(60) for j in range(i + 1, 60) if (signs[i] != signs[j]).sum() <= likeness.BITS}
    assert {(i, i + 40) for i in range(20)} <= near
    found = likeness.alike(small)
    assert {(p.first, p.second) for p in found if not p.mirrored} <= near
    assert {(p.first, p.second) for p in found} >= {(i, i + 40) for i in range(20)}


def test_an_unchanged_file_is_read_once(tmp_path: Path) -> None:
    paths = [save(tmp_path / f"{i}.jpg", scene(i)) for i in range(4)]
    (tmp_path / "torn.jpg").write_bytes(paths[0].read_bytes()[:400])
    paths.append(tmp_path / "torn.jpg")
    first, fresh = facts.gather(paths)
    assert fresh == 5
    again, fresh = facts.gather(paths)
    assert fresh == 1  # the torn one
    for one, other in zip(first, again, strict=True):
        assert (one.size, one.digest, one.fault) == (other.size, other.digest, other.fault)
        assert np.array_equal(one.miniature, other.miniature)
    save(paths[2], scene(9))
    os.utime(paths[2], ns=(1, 1))
    changed, fresh = facts.gather(paths)
    assert fresh == 2 and changed[2].digest != first[2].digest
    note = next((tmp_path / "cache").rglob("*.npz"))
    note.write_bytes(b"spoiled")
    assert facts.gather(paths)[1] == 5


def test_splits_and_categories(tmp_path: Path) -> None:
    subject = Subject("made", [Picture(f"{i}.jpg", tmp_path, (9, 9), "train" if i else "val") for i in range(9)])
    found = list(balance.of_splits(subject))
    assert [(f.severity, f.split) for f in found] == [(WARNING, "val"), (WARNING, "train"), (NOTE, "")]
