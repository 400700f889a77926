"""Pictures read at a part of their size: same places, hardly other pixels, and never fewer than the canvas shows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from armature.data import pictures
from armature.data.datamodule import KeypointData
from armature.data.dataset import KeypointDataset
from armature.data.geometry import RandomAffine, map_points
from armature.data.joined import Joined
from armature.data.mapped import Mapped
from armature.data.mosaic import Mosaic
from armature.data.opened import opened, stretch
from armature.data.pictures import PictureSource, decode_picture, reduction_for
from armature.data.split import Subset
from armature.errors import DataError
from armature.structures import Record, Skeleton

FILL = (0, 0, 0)


def blob(size: tuple[int, int], x: float, y: float, spread: float) -> np.ndarray:
    """A round light on black, its middle at (x, y) in continuous coordinates."""
    rows, columns = np.mgrid[: size[0], : size[1]] + 0.5
    light = 255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * spread**2))
    return np.repeat(light[..., None], 3, 2).round().astype(np.uint8)


def middle(picture: np.ndarray) -> tuple[float, float]:
    light = picture[..., 1].astype(float)
    light[light < 12] = 0
    rows, columns = np.mgrid[: light.shape[0], : light.shape[1]] + 0.5
    return float((columns * light).sum() / light.sum()), float((rows * light).sum() / light.sum())


def record_of(size: tuple[int, int], points: np.ndarray, file: str, count: int = 3) -> Record:
    keypoints = np.broadcast_to(points, (1, count, 2)).astype(float)
    box = np.array([[points[0] - 9, points[1] - 9, points[0] + 9, points[1] + 9]])
    whole = np.ones((1, count), np.int64) * 2
    return Record(1, file, size, keypoints, whole, box, np.array([200.0]), np.zeros(1, bool), np.array([1]))


@pytest.fixture
def lit(tmp_path: Path, trio: Skeleton) -> Callable[..., PictureSource]:
    """Sources of one JPEG each with a light at a keypoint, of sizes that no 8 divides."""

    def make(sizes: list[tuple[int, int]], ending: str = "jpg", seed: int = 0) -> PictureSource:
        rng, records = np.random.default_rng(seed), []
        for n, size in enumerate(sizes):
            x, y = rng.uniform(0.3, 0.7, 2) * np.array(size[::-1])
            name = f"{seed}_{n}.{ending}"
            cv2.imwrite(str(tmp_path / name), blob(size, x, y, max(size) / 40), [cv2.IMWRITE_JPEG_QUALITY, 98])
            records.append(record_of(size, np.array([x, y]), name))
        return PictureSource(tmp_path, records, trio, "lights")

    return make


def reductions(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What pictures are decoded by from now on."""
    seen: list[int] = []
    real = pictures.decode_picture

    def spy(data: Any, name: Any, reduction: int = 1) -> Any:
        seen.append(reduction)
        return real(data, name, reduction)

    monkeypatch.setattr(pictures, "decode_picture", spy)
    return seen


@pytest.mark.parametrize("size", [(480, 640), (333, 501), (1023, 767), (2049, 1531)])
def test_a_light_stays_under_its_keypoint_at_every_reduction(
    size: tuple[int, int], lit: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, source = reductions(monkeypatch), lit([size])
    geometry = RandomAffine((0.75, 1.3), rotation=30, shift=0.05)
    dataset = KeypointDataset(source, (192, 256), geometry, 1, FILL, reduced=True)
    for epoch in range(12):
        sample = dataset[(epoch, 0)]
        place = sample.people.keypoints[0, 0]
        assert np.abs(np.array(middle(sample.image)) - place).max() < 0.08, (epoch, seen[-1])
    assert max(seen) == {480: 2, 333: 2, 1023: 4, 2049: 8}[size[0]] and all(n in (1, 2, 4, 8) for n in seen)


def test_mosaics_read_parts_too(lit: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, source = reductions(monkeypatch), lit([(480, 640)] * 4)
    dataset = KeypointDataset(source, (128, 128), RandomAffine(), 0, FILL, Mosaic(), reduced=True)
    dataset[(0, 0)]
    assert len(seen) == 4 and min(seen) >= 2


@pytest.mark.parametrize("scale", [0.01, 0.124, 0.125, 0.1251, 0.25, 0.3, 0.5, 0.500001, 0.9, 3.0])
def test_never_fewer_pixels_than_are_drawn(scale: float) -> None:
    found = reduction_for(scale)
    assert found == max([n for n in (2, 4, 8) if n * scale <= 1], default=1)


def test_the_largest_factor_of_a_map_is_its_singular_value() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        matrix = np.eye(3)
        matrix[:2] = rng.normal(size=(2, 3))
        assert stretch(matrix) == pytest.approx(np.linalg.svd(matrix[:2, :2])[1][0])


@pytest.mark.parametrize("reduction", [2, 4, 8])
def test_a_reduced_picture_is_the_average_of_the_whole_one(reduction: int) -> None:
    # Grey, because colours are kept at half the size in a JPEG and come back in other ways.
    noise = np.random.default_rng(1).integers(0, 255, (96, 128), dtype=np.uint8)
    smooth = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), None, 0, 255, cv2.NORM_MINMAX)  # type: ignore[call-overload]
    file = cv2.imencode(".jpg", smooth, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].ravel()
    whole, part = decode_picture(file, "x"), decode_picture(file, "x", reduction)
    rows, columns = 96 // reduction, 128 // reduction
    expected = whole.reshape(rows, reduction, columns, reduction, 3).mean((1, 3))
    assert part.shape == (rows, columns, 3)
    assert np.abs(part - expected).mean() < 1 and np.abs(part - expected).max() < 4


def test_what_the_network_sees_is_hardly_another_picture(real_data: Path, skeleton_file: Callable) -> None:
    from armature.data.coco import CocoKeypoints

    folder = real_data / "coco_mini"
    source = CocoKeypoints(
        folder / "annotations/person_keypoints_train.json", folder / "images/train", skeleton_file("coco_person")
    )
    whole = KeypointDataset(source, (192, 256), RandomAffine())
    part = KeypointDataset(source, (192, 256), RandomAffine(), reduced=True)
    differences = []
    for index in range(12):
        one, two = whole[(0, index)], part[(0, index)]
        assert np.array_equal(one.people.keypoints, two.people.keypoints)
        differences.append(np.abs(one.image.astype(int) - two.image).mean())
    assert 0 < np.mean(differences) < 3 and max(differences) < 6


def test_pictures_to_judge_by_are_read_whole(lit: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, source = reductions(monkeypatch), lit([(480, 640)] * 2)
    data = KeypointData(train=source, val=source, canvas=(64, 64), workers=0, batch_size=2)
    next(iter(data.train_dataloader()))
    assert min(seen) > 1
    seen.clear()
    next(iter(data.val_dataloader()))
    assert seen == [1, 1]
    seen.clear()
    next(iter(KeypointData(train=source, canvas=(64, 64), workers=0, batch_size=2, reduced=False).train_dataloader()))
    assert seen == [1, 1]


@pytest.mark.parametrize("wrap", [lambda s: Subset(s, [1, 0]), lambda s: Mapped(s, s.skeleton), lambda s: Joined([s])])
def test_every_wrapper_opens_what_it_reads(wrap: Callable, lit: Callable) -> None:
    source = wrap(lit([(40, 50), (31, 47)]))
    for index in range(2):
        picture, record = source.read(index)
        found = opened(source, index)
        assert (found.record.image_id, found.record.size) == (record.image_id, record.size)
        assert np.array_equal(found.record.keypoints, record.keypoints)
        assert np.array_equal(found.load(1.0).picture, picture)
        small = found.load(0.25)
        assert small.picture.shape[:2] == tuple(-(-s // 4) for s in record.size) and small.scale == (4, 4)


def test_other_files_and_drawn_pictures_come_whole(lit: Callable, dots: Callable) -> None:
    found = opened(lit([(40, 50)], "png"), 0)
    assert found.load(0.1).picture.shape == (40, 50, 3) and found.load(0.1).scale == (1, 1)
    assert opened(dots(3), 1).load(0.1).picture.shape == (48, 64, 3)


def test_a_picture_of_another_size_is_noticed(lit: Callable) -> None:
    source = lit([(400, 500)])
    whole = blob((410, 500), 30, 30, 9)
    cv2.imwrite(str(source.root / source.records[0].file), whole)
    with pytest.raises(DataError, match="the picture is 500 x 410, the annotations say 500 x 400"):
        opened(source, 0).load(0.2)


def test_a_jpeg_without_its_end_is_read_carefully_and_whole(lit: Callable) -> None:
    source = lit([(400, 500)])
    path = source.root / source.records[0].file
    path.write_bytes(path.read_bytes() + b"trailing bytes")
    assert opened(source, 0).load(0.2).picture.shape == (400, 500, 3)
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(DataError, match="truncated"):
        opened(source, 0).load(0.2)


def test_points_go_where_the_whole_picture_would_have_taken_them(lit: Callable) -> None:
    found = opened(lit([(333, 501)]), 0)
    matrix = np.array([[0.1, -0.05, 7.0], [0.05, 0.1, 3.0], [0, 0, 1]])
    _, onto = found.onto(matrix)
    # The corner between the first 8 x 8 block and the next.
    assert map_points(np.array([1.0, 1.0]), onto) == pytest.approx(map_points(np.array([8.0, 8.0]), matrix))
    assert np.array_equal(found.onto(matrix, reduced=False)[1], matrix)
