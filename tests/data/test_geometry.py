"""Picture, points and boxes under one matrix: the dot stays under the point."""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torchvision.transforms.v2 import functional as tv

from armature.data import geometry
from armature.data.geometry import (
    RandomAffine,
    ignored,
    letterbox,
    map_boxes,
    map_boxes_tightly,
    map_points,
    map_record,
    translation,
    warp,
)
from armature.errors import ConfigError
from armature.structures import Record, Skeleton

BLACK = (0, 0, 0)


def turned(scale: float, degrees: float, mirror: bool, size: tuple[int, int], canvas: tuple[int, int]) -> np.ndarray:
    """A similarity that takes the middle of the picture to the middle of the canvas."""
    a, b = scale * math.cos(math.radians(degrees)), scale * math.sin(math.radians(degrees))
    side = -1 if mirror else 1
    linear = np.array([[side * a, -b, 0], [side * b, a, 0], [0, 0, 1]])
    return translation(canvas[1] / 2, canvas[0] / 2) @ linear @ translation(-size[1] / 2, -size[0] / 2)


def blob(size: tuple[int, int], x: float, y: float, sigma: float) -> np.ndarray:
    """A bright dot around a continuous point, black elsewhere."""
    columns, rows = np.arange(size[1]) + 0.5 - x, np.arange(size[0]) + 0.5 - y
    dot = np.exp(-(rows[:, None] ** 2 + columns[None] ** 2) / (2 * sigma**2))
    return np.repeat(np.round(255 * dot).astype(np.uint8)[..., None], 3, 2)


def centroid(image: np.ndarray) -> np.ndarray:
    """Where the light is, continuous xy."""
    light = image[..., 0].astype(float)
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]] + 0.5
    return np.array([(light * columns).sum(), (light * rows).sum()]) / light.sum()


def someone(skeleton: Skeleton, **changes: object) -> Record:
    """One person with three labelled points in a 60 x 80 picture."""
    fields: dict = {
        "image_id": 1,
        "file": "",
        "size": (60, 80),
        "keypoints": np.array([[[20.5, 30.5], [25.5, 20.5], [35.5, 22.5]]]),
        "visibility": np.array([[2, 1, 2]]),
        "boxes": np.array([[18.0, 16.0, 40.0, 36.0]]),
        "areas": np.array([200.0]),
        "crowd": np.array([False]),
        "annotation_ids": np.array([1]),
    }
    return Record(**fields | changes)


TURNS = [
    (1.0, 0, False),
    (1.0, 0, True),
    (2.7, 0, False),
    (0.7, 0, True),
    (0.5, 0, False),
    (0.23, 0, False),
    (0.4, 33, True),
    (0.15, -20, False),
    (1.0, 90, False),
    (1.3, -37, True),
    (0.9, 180, False),
]


@pytest.mark.parametrize(("scale", "degrees", "mirror"), TURNS)
@pytest.mark.parametrize("size", [(201, 303), (240, 320)])
def test_the_dot_stays_under_the_point(
    scale: float, degrees: float, mirror: bool, size: tuple[int, int], trio: Skeleton
) -> None:
    canvas = (256, 256)
    matrix = turned(scale, degrees, mirror, size, canvas)
    point = np.array([size[1] / 2 + 17.3, size[0] / 2 - 11.9])
    # Wide enough on the canvas for a centroid that means something.
    image = warp(blob(size, *point, sigma=max(1.5, 1.5 / scale)), matrix, canvas, BLACK)
    record = someone(trio, size=size, keypoints=np.tile(point, (1, 3, 1)), boxes=np.array([[0.0, 0.0, *size[::-1]]]))
    assert centroid(image) == pytest.approx(map_record(record, matrix, canvas, trio).keypoints[0, 0], abs=0.03)


@pytest.mark.parametrize(("scale", "degrees", "mirror"), TURNS)
def test_one_lit_pixel_is_found_under_its_point(scale: float, degrees: float, mirror: bool) -> None:
    size, canvas = (200, 301), (256, 300)
    matrix = turned(scale, degrees, mirror, size, canvas)
    for column, row in [(150, 100), (131, 87), (170, 120)]:
        image = np.zeros((*size, 3), np.uint8)
        image[row, column] = 255
        found = warp(image, matrix, canvas, BLACK)[..., 0]
        # Averaging over n x n pixels may leave 255 / n^2 of it, but never nothing.
        assert found.max() > 0
        y, x = np.unravel_index(found.argmax(), found.shape)
        wanted = map_points(np.array([column + 0.5, row + 0.5]), matrix)
        # The lit pixel is `scale` wide, and so are the pixels it was averaged into.
        assert np.abs(np.array([x + 0.5, y + 0.5]) - wanted).max() <= max(1.0, scale / 2 + 0.5)


def test_light_and_dark_average_instead_of_flickering() -> None:
    board = np.indices((400, 400)).sum(0)[..., None].repeat(3, 2).astype(np.uint8) % 2 * 255
    for scale in (0.5, 0.31, 0.1):
        small = warp(board, letterbox((400, 400), (round(400 * scale),) * 2), (round(400 * scale),) * 2, BLACK)
        assert np.abs(small[5:-5, 5:-5].astype(float) - 127.5).max() < 45, scale


@pytest.mark.parametrize(("scale", "degrees", "mirror"), [(1.0, 0, True), (1.7, 20, False), (0.8, -40, True)])
def test_warp_agrees_with_grid_sample(scale: float, degrees: float, mirror: bool) -> None:
    size, canvas = (120, 160), (128, 96)
    matrix = turned(scale, degrees, mirror, size, canvas)
    image = np.random.default_rng(0).integers(0, 255, (15, 20, 3)).astype(np.uint8).repeat(8, 0).repeat(8, 1)
    rows, columns = np.mgrid[: canvas[0], : canvas[1]] + 0.5
    source = map_points(np.stack([columns, rows], -1), np.linalg.inv(matrix))
    grid = torch.from_numpy(2 * source / np.array(size[::-1]) - 1)[None]
    picture = torch.from_numpy(image).permute(2, 0, 1)[None].double()
    expected = F.grid_sample(picture, grid, align_corners=False)[0].permute(1, 2, 0).numpy()
    # OpenCV interpolates on a raster of 1/32 px: a few grey levels at an edge.
    assert np.abs(warp(image, matrix, canvas, BLACK) - expected).max() < 10


def test_warp_agrees_with_torchvision_affine() -> None:
    size = (96, 96)
    image = blob(size, 60.2, 33.3, 4.0)
    angle, scale = 25.0, 1.2
    expected = tv.affine(
        torch.from_numpy(image).permute(2, 0, 1),
        angle=angle,
        translate=[0, 0],
        scale=scale,
        shear=[0.0, 0.0],
        interpolation=tv.InterpolationMode.BILINEAR,
    )
    found = warp(image, turned(scale, angle, False, size, size), size, BLACK)
    assert np.abs(found.astype(int) - expected.permute(1, 2, 0).numpy()).max() <= 3


@pytest.mark.parametrize("shift", [(0, 0), (90, -40), (-70, 60), (128, 0), (-500, 20)])
@pytest.mark.parametrize(("scale", "degrees", "mirror"), [(1.0, 0, False), (1.7, 30, True), (0.4, -75, False)])
def test_a_picture_is_drawn_over_another_where_it_reaches(
    scale: float, degrees: float, mirror: bool, shift: tuple[int, int]
) -> None:
    """As OpenCV would over the whole canvas: the rectangle that is looked at misses nothing."""
    size, canvas = (80, 110), (96, 128)
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (*size, 3)).astype(np.uint8)
    below = rng.integers(0, 255, (*canvas, 3)).astype(np.uint8)
    matrix = translation(*shift) @ turned(scale, degrees, mirror, size, canvas)
    small = max(2, math.floor(1 / scale)) if scale < geometry.ALIASING else 1
    shrunk = cv2.resize(image, (-(-110 // small), -(-80 // small)), interpolation=cv2.INTER_AREA)
    inner = matrix @ np.diag([110 / shrunk.shape[1], 80 / shrunk.shape[0], 1.0])
    indices = translation(-0.5, -0.5) @ inner @ translation(0.5, 0.5)
    expected = cv2.warpAffine(
        shrunk, indices[:2], canvas[::-1], dst=below.copy(), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_TRANSPARENT
    )
    drawn = below.copy()
    assert warp(image, matrix, canvas, onto=drawn) is drawn
    # OpenCV's coordinates are in fixed point: another origin, another last bit.
    assert np.abs(drawn.astype(int) - expected).max() <= 8
    assert ((drawn != below).any(-1) == (expected != below).any(-1)).mean() > 0.999


def test_a_map_that_does_nothing_costs_nothing() -> None:
    image = np.zeros((8, 8, 3), np.uint8)
    assert warp(image, np.eye(3), (8, 8)) is image


def test_letterbox_keeps_the_aspect_and_centres() -> None:
    corners = map_points(np.array([[0.0, 0.0], [640.0, 480.0]]), letterbox((480, 640), (256, 256)))
    assert corners.tolist() == [[0.0, 32.0], [256.0, 224.0]]
    image = warp(np.full((480, 640, 3), 200, np.uint8), letterbox((480, 640), (256, 256)), (256, 256), (1, 2, 3))
    assert (image[32:224] == 200).all()
    assert (image[:31] == (1, 2, 3)).all()


def test_a_mirror_exchanges_left_and_right(trio: Skeleton) -> None:
    record = someone(trio)
    people = map_record(record, np.array([[-1.0, 0, 80], [0, 1, 0], [0, 0, 1]]), (60, 80), trio)
    assert people.keypoints[0].tolist() == [[59.5, 30.5], [44.5, 22.5], [54.5, 20.5]]
    assert people.visibility[0].tolist() == [2, 2, 1]
    assert people.boxes[0].tolist() == [40.0, 16.0, 62.0, 36.0]
    assert record.visibility.tolist() == [[2, 1, 2]]


def test_areas_scale_and_points_that_leave_lose_their_label(trio: Skeleton) -> None:
    people = map_record(someone(trio), np.diag([2.0, 2.0, 1.0]), (60, 60), trio)
    assert people.areas.tolist() == [800.0]
    assert people.visibility.tolist() == [[0, 1, 0]]  # (41, 61) is below, (71, 45) is beside the canvas
    assert people.boxes.tolist() == [[36.0, 32.0, 60.0, 60.0]]


def test_who_leaves_the_canvas_is_gone_and_who_has_no_points_stays(trio: Skeleton) -> None:
    two = {
        "keypoints": np.zeros((2, 3, 2)),
        "visibility": np.zeros((2, 3), int),
        "boxes": np.array([[0.0, 0, 10, 10], [50, 50, 60, 60]]),
        "areas": np.ones(2),
        "crowd": np.zeros(2, bool),
        "annotation_ids": np.arange(2) + 1,
    }
    assert len(map_record(someone(trio, **two), np.eye(3), (60, 80), trio).areas) == 2
    people = map_record(someone(trio, **two), translation(-20, 0), (60, 80), trio)
    assert people.boxes.tolist() == [[30.0, 50.0, 40.0, 60.0]]


def test_boxes_are_the_bounds_of_their_corners() -> None:
    boxes = np.array([[1.0, 2, 5, 9], [0, 0, 3, 1]])
    matrix = turned(1.3, 28, True, (20, 30), (40, 40))
    for box, found in zip(boxes, map_boxes(boxes, matrix)):
        corners = map_points(np.array([[box[i], box[j]] for i in (0, 2) for j in (1, 3)]), matrix)
        assert found.tolist() == pytest.approx([*corners.min(0), *corners.max(0)])


def test_tight_boxes_lie_between_the_ellipse_and_the_corners() -> None:
    boxes = np.array([[10.0, 10, 30, 50]])
    matrix = turned(1.0, 30, False, (60, 60), (60, 60))
    angles = np.linspace(0, 2 * np.pi, 3601)
    ellipse = map_points(np.stack([20 + 10 * np.cos(angles), 30 + 20 * np.sin(angles)], -1), matrix)
    corner = map_points(np.array([[[30.0, 50.0]]]), matrix)
    alone = map_boxes_tightly(boxes, matrix, corner, np.array([[False]]))[0]
    assert alone.tolist() == pytest.approx([*ellipse.min(0), *ellipse.max(0)], abs=1e-4)
    widened = map_boxes_tightly(boxes, matrix, corner, np.array([[True]]))[0]
    assert widened[3] == pytest.approx(corner[0, 0, 1])
    far = np.array([[[500.0, 500.0]]])
    assert (map_boxes_tightly(boxes, matrix, far, np.array([[True]]))[0, 2:] == map_boxes(boxes, matrix)[0, 2:]).all()
    upright = turned(1.5, 0, True, (60, 60), (60, 60))
    assert (map_boxes_tightly(boxes, upright, far, np.array([[True]])) == map_boxes(boxes, upright)).all()


def test_crowds_are_ignored_and_are_nobody(trio: Skeleton) -> None:
    polygon = np.array([[10.0, 10.0], [30.0, 10.0], [30.0, 20.0], [10.0, 20.0]])
    record = someone(trio, crowd=np.array([True]), regions=((polygon,),))
    assert len(map_record(record, np.eye(3), (60, 80), trio).areas) == 0
    mask = ignored(record, np.diag([2.0, 2.0, 1.0]), (120, 160))
    assert mask is not None
    # OpenCV also fills the pixels that the outline runs through.
    assert mask[20:40, 20:60].all()
    assert not mask[:19].any()
    assert not mask[42:].any()
    assert centroid(np.repeat(mask[..., None], 3, 2)) == pytest.approx([40, 30], abs=0.51)
    boxed = ignored(someone(trio, crowd=np.array([True])), np.eye(3), (60, 80))
    assert boxed is not None
    assert boxed[16:36, 18:40].all()
    assert boxed.sum() <= 21 * 23
    assert ignored(someone(trio), np.eye(3), (60, 80)) is None


def draws(drawer: RandomAffine, count: int, record: Record) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.stack([drawer(record.size, (128, 128), rng, record) for _ in range(count)])


def test_random_affine_keeps_its_bounds(trio: Skeleton) -> None:
    record = someone(trio)
    matrices = draws(RandomAffine((0.5, 2.0), rotation=20, shift=0.1, flip=0.25), 2000, record)
    determinants = np.linalg.det(matrices)
    base = letterbox(record.size, (128, 128))[0, 0]
    scales = np.sqrt(np.abs(determinants)) / base
    assert scales.min() >= 0.5
    assert scales.max() <= 2.0
    assert np.median(scales) == pytest.approx(1.0, abs=0.08)
    assert np.mean(determinants < 0) == pytest.approx(0.25, abs=0.04)
    angles = np.degrees(np.arctan2(-matrices[:, 0, 1], matrices[:, 1, 1]))
    assert 19 < np.abs(angles).max() <= 20
    moved = map_points(np.array([[40.0, 30.0]]), matrices[0])
    centres = np.stack([map_points(np.array([40.0, 30.0]), m) for m in matrices]) - 64
    assert moved.shape == (1, 2)
    assert 12 < np.abs(centres).max() <= 12.8 + 1e-9


def test_random_affine_without_chance_is_the_letterbox(trio: Skeleton) -> None:
    still = RandomAffine((1.0, 1.0), rotation=0, shift=0, flip=0)
    assert draws(still, 1, someone(trio))[0] == pytest.approx(letterbox((60, 80), (128, 128)))


def test_focus_brings_a_person_to_the_middle(trio: Skeleton) -> None:
    drawer = RandomAffine((2.0, 3.0), rotation=30, shift=0, flip=0.5, focus=1)
    for matrix in draws(drawer, 5, someone(trio)):
        assert map_points(np.array([29.0, 26.0]), matrix) == pytest.approx([64, 64])
    nobody = someone(trio, crowd=np.array([True]))
    assert map_points(np.array([40.0, 30.0]), draws(drawer, 1, nobody)[0]) == pytest.approx([64, 64])


def test_a_person_is_brought_to_a_height(skeleton_file: Callable[[str], Skeleton]) -> None:
    """As Cao et al. 2017: the box is ``height`` times the drawn factor as high as the canvas, however large it was."""
    body = skeleton_file("coco_person")
    points = np.random.default_rng(0).random((3, 17, 2)) * 50
    boxes = np.array([[10.0, 10, 40, 210], [50, 20, 90, 60], [100, 100, 120, 190]])
    fields = {"boxes": boxes, "keypoints": points, "areas": np.array([3000.0, 1024, 3000]), "size": (300, 200)}
    flags = np.full((3, 17), 2)
    flags[2, 4:] = 0  # four labels: too few
    record = someone(body, **fields, visibility=flags, crowd=np.zeros(3, bool), annotation_ids=np.arange(3) + 1)
    drawer = RandomAffine((0.5, 1.1), rotation=0, shift=0, flip=0.5, focus=1, height=0.6, even=True)
    rng = np.random.default_rng(0)
    seen, factors = set(), []
    for _ in range(2000):
        matrix = drawer(record.size, (128, 160), rng, record)
        centres = map_points((boxes[:, :2] + boxes[:, 2:]) / 2, matrix)
        who = int(np.abs(centres - (80, 64)).sum(1).argmin())
        assert centres[who] == pytest.approx([80, 64])
        seen.add(who)
        factors.append(matrix[1, 1] * (boxes[who, 3] - boxes[who, 1]) / (0.6 * 128))
    assert seen == {0, 1}
    assert 0.5 <= min(factors) < 0.51 and 1.09 < max(factors) <= 1.1
    assert np.mean(factors) == pytest.approx(0.8, abs=0.01)  # log-uniformly it would be 0.761
    small = someone(body, **fields | {"areas": np.full(3, 1023.0)}, visibility=flags, crowd=np.zeros(3, bool))
    found = [
        drawer(small.size, (128, 160), rng, small)[1, 1] / letterbox((300, 200), (128, 160))[1, 1] for _ in range(9)
    ]
    assert min(found) >= 0.5 and max(found) <= 1.1  # nobody fits: the picture as it is


@pytest.mark.parametrize("wrong", [{"height": 0}, {"scale": (0, 1)}, {"scale": (2, 1)}, {"flip": 2}, {"focus": -1}])
def test_bounds_that_make_no_sense_are_named(wrong: dict) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        RandomAffine(**wrong)


def test_the_threshold_of_averaging_leaves_no_gap() -> None:
    # Just above it bilinear sampling must still see every pixel.
    scale = geometry.ALIASING + 0.01
    assert 1 / scale < 2
