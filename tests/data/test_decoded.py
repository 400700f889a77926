"""The file of decoded pictures: right pixels, and safe against damage, death and company."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from armature.data import decoded
from armature.data.datamodule import KeypointData
from armature.data.dataset import KeypointDataset
from armature.data.decoded import Decoded
from armature.data.geometry import RandomAffine
from armature.data.opened import opened
from armature.data.pictures import PictureSource
from armature.data.split import Fold
from armature.errors import ConfigError, DataError, UserError
from armature.structures import Record, Skeleton

CANVAS = (48, 64)


@pytest.fixture
def files(tmp_path: Path, trio: Skeleton) -> Callable[..., PictureSource]:
    """Sources of pictures with a light in each, larger and smaller than the canvas."""

    def make(count: int = 6) -> PictureSource:
        (tmp_path / "pictures").mkdir(exist_ok=True)
        rng, records = np.random.default_rng(0), []
        for n in range(count):
            size = (101 + 7 * n, 150 + 11 * n) if n % 3 else (30, 40)
            smooth = cv2.GaussianBlur(rng.integers(0, 255, (*size, 3), dtype=np.uint8), (0, 0), 4)
            cv2.imwrite(str(tmp_path / "pictures" / f"{n}.jpg"), smooth)
            points = rng.uniform(5, 25, (1, 3, 2))
            box, whole = np.array([[1.0, 1, 29, 29]]), np.full((1, 3), 2)
            area = np.array([50.0]), np.zeros(1, bool), np.array([n + 1])
            records.append(Record(n, f"{n}.jpg", size, points, whole, box, *area))
        return PictureSource(tmp_path / "pictures", records, trio, "files")

    return make


def cached(source: PictureSource, tmp_path: Path, zoom: float = 1.0) -> Decoded:
    return Decoded(source, CANVAS, zoom, tmp_path / "decoded")


def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Files that are decoded from now on."""
    from armature.data import pictures

    seen: list[str] = []
    real = pictures.decode_picture
    monkeypatch.setattr(
        pictures, "decode_picture", lambda data, name, *more: (seen.append(Path(name).name), real(data, name, *more))[1]
    )
    return seen


def test_a_picture_is_decoded_once_and_is_the_average_of_the_whole(
    files: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = files()
    cache, seen = cached(source, tmp_path), loads(monkeypatch)
    for index, record in enumerate(source.records):
        share = min(1.0, 48 / record.size[0], 64 / record.size[1])
        first = opened(cache, index).load(share)
        h, w = first.picture.shape[:2]
        assert first.scale == (record.size[1] / w, record.size[0] / h)
        whole = cv2.resize(source.read(index)[0], (w, h), interpolation=cv2.INTER_AREA)
        assert np.array_equal(first.picture, whole)
        seen.clear()
        assert np.array_equal(opened(cache, index).load(share).picture, first.picture) and not seen
    again = cached(source, tmp_path)
    assert np.array_equal(opened(again, 1).load(0.1).picture, opened(cache, 1).load(0.1).picture) and not seen
    assert again.filled() == len(source) and "all are there" in again.describe()


def test_a_light_stays_under_its_keypoint(tmp_path: Path, trio: Skeleton) -> None:
    size, (x, y) = (301, 403), (171.3, 140.8)
    rows, columns = np.mgrid[: size[0], : size[1]] + 0.5
    light = (255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 8**2))).round().astype(np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), np.repeat(light[..., None], 3, 2))
    points = np.full((1, 3, 2), (x, y))
    arrays = (
        np.full((1, 3), 2),
        np.array([[x - 9, y - 9, x + 9, y + 9]]),
        np.ones(1),
        np.zeros(1, bool),
        np.ones(1, int),
    )
    source = PictureSource(tmp_path, [Record(1, "a.png", size, points, *arrays)], trio, "light")
    geometry = RandomAffine((0.8, 1.3), shift=0.05)
    dataset = KeypointDataset(cached(source, tmp_path, 1.3), (96, 128), geometry, 0, (0, 0, 0), reduced=True)
    for epoch in range(10):
        sample = dataset[(epoch, 0)]
        seen = sample.image[..., 0].astype(float) * (sample.image[..., 0] > 12)
        rows, columns = np.mgrid[:96, :128] + 0.5
        found = np.array([(columns * seen).sum(), (rows * seen).sum()]) / seen.sum()
        assert np.abs(found - sample.people.keypoints[0, 0]).max() < 0.08


def test_who_asks_for_more_pixels_gets_the_files_own(files: Callable, tmp_path: Path) -> None:
    source = files()
    cache = cached(source, tmp_path)
    whole = opened(cache, 1).load(1.0)
    assert np.array_equal(whole.picture, source.read(1)[0]) and whole.scale == (1, 1)
    assert np.array_equal(cache.read(1)[0], source.read(1)[0])
    assert cache.filled() == 0 and cache.fingerprint() == source.fingerprint()


def test_a_picture_that_is_kept_whole_serves_every_scale(
    files: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = cached(files(), tmp_path)
    opened(cache, 0).load(0.5)  # 30 x 40, smaller than the canvas
    seen = loads(monkeypatch)
    assert opened(cache, 0).load(1.6).picture.shape == (30, 40, 3) and not seen


def test_it_is_for_training_only_and_one_for_all_folds(files: Callable, tmp_path: Path) -> None:
    folder = str(tmp_path / "decoded")
    for fold in range(2):
        data = KeypointData(
            source=files(),
            split=Fold(fold, 2),
            canvas=CANVAS,
            workers=0,
            batch_size=2,
            cache="memmap",
            cache_folder=folder,
        )
        plain = KeypointData(source=files(), split=Fold(fold, 2), canvas=CANVAS, workers=0, batch_size=2)
        one, two = next(iter(data.val_dataloader())), next(iter(plain.val_dataloader()))
        assert np.array_equal(one.images, two.images)
        assert data.fingerprint() == plain.fingerprint()
        list(data.train_dataloader())
    (file,) = (tmp_path / "decoded").iterdir()
    assert file.suffix == ".pixels"


def test_a_flipped_byte_is_noticed_and_mended(files: Callable, tmp_path: Path) -> None:
    source = files()
    cache = cached(source, tmp_path)
    right = [opened(cache, i).load(0.1).picture.copy() for i in range(6)]
    content = bytearray(cache.file.read_bytes())
    content[cache._starts[2] + 100] ^= 4
    cache.file.write_bytes(content)
    again = cached(source, tmp_path)
    with pytest.warns(UserWarning, match="was not as it was written, and is decoded anew"):
        found = [opened(again, i).load(0.1).picture for i in range(6)]
    assert all(np.array_equal(a, b) for a, b in zip(right, found))
    third = cached(source, tmp_path)
    assert np.array_equal(opened(third, 2).load(0.1).picture, right[2])  # and no warning


def test_a_picture_that_has_changed_since_is_decoded_anew(files: Callable, tmp_path: Path) -> None:
    source = files()
    before = opened(cached(source, tmp_path), 1).load(0.1).picture.copy()
    height, width = source.records[1].size
    cv2.imwrite(str(source.root / "1.jpg"), np.zeros((height, width, 3), np.uint8))
    after = opened(cached(source, tmp_path), 1).load(0.1).picture
    assert before.max() > 50 and after.max() == 0


_FILL = """
import os, sys, pickle, time
from armature.data.opened import opened
cache = pickle.loads(open(sys.argv[1], "rb").read())
if sys.argv[2] == "slow":
    import armature.data.decoded as decoded
    real = decoded._put
    def halting(handle, place, content):
        if len(content) > 24 and cache.filled() >= 2:
            real(handle, place, content[: len(content) // 2])
            print("half", flush=True)
            time.sleep(60)
        real(handle, place, content)
    decoded._put = halting
for index in range(len(cache)):
    opened(cache, index).load(0.1)
"""


@pytest.mark.slow
def test_a_builder_that_is_killed_leaves_nothing_that_counts(files: Callable, tmp_path: Path) -> None:
    source = files()
    cache = cached(source, tmp_path)
    (tmp_path / "it").write_bytes(pickle.dumps(cache))
    child = subprocess.Popen(
        [sys.executable, "-c", _FILL, str(tmp_path / "it"), "slow"], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None and child.stdout.readline() == "half\n"
    child.send_signal(signal.SIGKILL)
    child.wait()
    again = cached(source, tmp_path)
    assert again.filled() == 2 and "2 are there" in again.describe()
    for index in range(6):
        found = opened(again, index).load(0.1).picture
        expected = cv2.resize(source.read(index)[0], found.shape[1::-1], interpolation=cv2.INTER_AREA)
        assert np.array_equal(found, expected)
    assert again.filled() == 6


def _fill(cache: Decoded, start: Any, wrong: Any) -> None:
    start.wait()
    for index in np.random.default_rng(os.getpid()).permutation(len(cache)).tolist():
        found = opened(cache, index).load(0.1).picture
        expected = cv2.resize(cache.read(index)[0], found.shape[1::-1], interpolation=cv2.INTER_AREA)
        wrong.value += not np.array_equal(found, expected)


@pytest.mark.slow
def test_two_that_build_it_at_once_get_the_same(files: Callable, tmp_path: Path) -> None:
    source = files(12)
    context = multiprocessing.get_context("fork")
    start, wrong = context.Barrier(2), context.Value("i", 0)
    # Each makes the file by itself, as two jobs do.
    caches = [cached(source, tmp_path) for _ in range(2)]
    children = [context.Process(target=_fill, args=(cache, start, wrong)) for cache in caches]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    assert [c.exitcode for c in children] == [0, 0] and wrong.value == 0
    assert cached(source, tmp_path).filled() == 12
    assert [f.suffix for f in (tmp_path / "decoded").iterdir()] == [".pixels"]


def test_two_jobs_that_make_the_file_at_once_have_one(
    files: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, real = files(), os.link
    inodes = []

    def late(scratch: Any, file: Any) -> None:
        monkeypatch.setattr(os, "link", real)
        inodes.append(os.stat(cached(source, tmp_path).file).st_ino)  # another job comes first
        real(scratch, file)

    monkeypatch.setattr(os, "link", late)
    assert os.stat(cached(source, tmp_path).file).st_ino == inodes[0]
    assert len(list((tmp_path / "decoded").iterdir())) == 1


def test_a_full_disk_stops_the_cache_and_not_the_training(
    files: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = files()
    cache = cached(source, tmp_path)

    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.warns(UserWarning, match="no more pictures are kept: the disk is full") as told:
        found = [opened(cache, i).load(0.1).picture for i in range(6)]
    assert len(told) == 1 and all(f.size for f in found) and cache.filled() == 0


def test_too_little_room_is_said_before(files: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoded.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000})())
    with pytest.raises(DataError, match=r"take 0\.0 GB, and .* has 0\.0 GB left; name another place with data"):
        cached(files(), tmp_path)
    assert not list((tmp_path / "decoded").iterdir())


def test_another_file_in_its_place_is_refused(files: Callable, tmp_path: Path) -> None:
    source = files()
    file = cached(source, tmp_path).file
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(DataError, match="is no file of these decoded pictures; remove it"):
        cached(source, tmp_path)
    (tmp_path / "blocked").write_text("")
    with pytest.raises(UserError, match=r"cannot be made: .*data\.cache_folder"):
        Decoded(source, CANVAS, 1.0, tmp_path / "blocked" / "x")


def test_canvas_and_zoom_have_files_of_their_own(files: Callable, tmp_path: Path) -> None:
    source = files()
    names = {cached(source, tmp_path, zoom).file for zoom in (1.0, 1.5)}
    assert len(names | {Decoded(source, (64, 96), 1.0, tmp_path / "decoded").file}) == 3


def test_drawn_pictures_and_unknown_words_are_refused(dots: Callable, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"data\.cache: keeps pictures of files"):
        Decoded(dots(3), CANVAS, 1.0, tmp_path)
    with pytest.raises(ConfigError, match=r"data\.cache=ram: known are memmap"):
        KeypointData(train=dots(3), cache="ram")


@pytest.mark.slow
def test_workers_fill_and_read_it(files: Callable, tmp_path: Path) -> None:
    def batches(**options: Any) -> list[Any]:
        data = KeypointData(
            train=files(12), val=files(2), canvas=CANVAS, batch_size=4, samples_per_epoch=24, seed=3, **options
        )
        return [b.images for b in data.train_dataloader()]

    cache = {"cache": "memmap", "cache_folder": str(tmp_path / "decoded")}
    first, second, alone = batches(workers=2, **cache), batches(workers=2, **cache), batches(workers=0, **cache)
    assert len(first) == 6
    for one, two, three in zip(first, second, alone):
        assert np.array_equal(one, two) and np.array_equal(one, three)
