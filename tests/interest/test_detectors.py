"""Detectors against OpenCV's on real pictures, and against corners and blobs that were drawn."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from armature import assembly
from armature.building import build
from armature.configuration import compose
from armature.data.pictures import read_picture
from armature.errors import ConfigError
from armature.interest.codec import InterestCodec
from armature.interest.detectors import SIFT, Corners, Harris, ShiTomasi
from armature.skeletons import make

DATA = Path(os.environ.get("ARMATURE_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")) / "coco_mini"
real = pytest.mark.skipif(not DATA.is_dir(), reason=f"needs real pictures in {DATA}")
CLASSICAL = ("harris", "shi_tomasi", "sift", "dog")
POINT = make("interest_point", ["point"])


def _tensor(picture: np.ndarray) -> torch.Tensor:
    colours = picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, 2)
    return torch.from_numpy(np.ascontiguousarray(colours)).permute(2, 0, 1)[None].float() / 255


@torch.no_grad()
def _points(model: torch.nn.Module, picture: np.ndarray) -> np.ndarray:
    outputs = model(_tensor(picture))
    return outputs["points"][0][outputs["found"][0]].double().numpy()


@lru_cache(maxsize=1)
def _photographs() -> list[np.ndarray]:
    files = sorted((DATA / "images" / "val").glob("*"))[:4]
    return [cv2.resize(read_picture(file), (320, 240), interpolation=cv2.INTER_AREA) for file in files]


def _share_within(points: np.ndarray, others: np.ndarray, px: float = 1.0) -> float:
    return float((cKDTree(others).query(points)[0] <= px).mean())


def _board(cell: int = 16, count: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """A chessboard and its inner corners in continuous px."""
    board = np.kron(np.indices((count, count)).sum(0) % 2, np.ones((cell, cell))) * 200 + 30
    inner = np.arange(1, count) * float(cell)
    return board.astype(np.uint8), np.stack(np.meshgrid(inner, inner), -1).reshape(-1, 2)


@pytest.mark.parametrize("detector", [Harris(), ShiTomasi()], ids=["harris", "shi_tomasi"])
def test_the_corners_of_a_board_are_found_where_they_are(detector: torch.nn.Module) -> None:
    board, corners = _board()
    found = _points(detector, board)
    away, _ = cKDTree(found).query(corners)
    assert away.max() < 0.05, away
    assert len(found) == len(corners)


@pytest.mark.parametrize("peak", [(20.5, 30.5), (20.7, 30.2), (21.0, 30.9)])
def test_a_peak_between_pixels_is_found_between_them(peak: tuple[float, float]) -> None:
    """A paraboloid as the response: the vertex of a parabola through its samples is exact."""

    class Bowl(Corners):
        def response(self, grey: torch.Tensor) -> torch.Tensor:
            y, x = (torch.arange(n) + 0.5 for n in grey.shape[-2:])
            away = (x[None] - peak[0]) ** 2 + (y[:, None] - peak[1]) ** 2
            return (5 - away).clamp(min=0).expand(len(grey), 1, -1, -1)

    np.testing.assert_allclose(_points(Bowl(), np.zeros((64, 64), np.uint8)), [peak], atol=1e-4)


def test_blobs_are_found_with_their_size() -> None:
    y, x = np.mgrid[:128, :128] + 0.5
    places, sigmas = np.array([[30.3, 40.4], [90.5, 30.25], [60.2, 95.0]]), np.array([3.0, 4.0, 6.0])
    light = sum(
        np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * s**2)) for (px, py), s in zip(places, sigmas, strict=True)
    )
    picture = (30 + 200 * np.asarray(light)).clip(0, 255).astype(np.uint8)
    with torch.no_grad():
        outputs = SIFT(points=10, quality=0.5)(_tensor(picture))
    found, scales = outputs["points"][0].numpy(), outputs["scales"][0].numpy()
    away, which = cKDTree(found).query(places)
    assert away.max() < 0.15
    np.testing.assert_allclose(scales[which] / sigmas, scales[which][0] / sigmas[0], rtol=0.12)
    assert outputs["descriptors"].shape == (1, 10, 128)
    lengths = outputs["descriptors"][0][outputs["found"][0]].norm(dim=-1)
    torch.testing.assert_close(lengths, torch.ones_like(lengths), atol=1e-4, rtol=0)


@real
@pytest.mark.data
def test_the_responses_are_those_of_a_structure_tensor_made_with_opencv() -> None:
    for picture in _photographs():
        grey = (picture.astype(np.float32) / 255) @ np.array([0.299, 0.587, 0.114], np.float32)
        x, y = cv2.Sobel(grey, -1, 1, 0) / 8, cv2.Sobel(grey, -1, 0, 1) / 8
        xx, yy, xy = (cv2.GaussianBlur(v, (7, 7), 1) for v in (x * x, y * y, x * y))
        expected = {
            Harris: xx * yy - xy**2 - 0.04 * (xx + yy) ** 2,
            ShiTomasi: (xx + yy) / 2 - np.sqrt(((xx - yy) / 2) ** 2 + xy**2),
        }
        for kind, response in expected.items():
            ours = kind().response(torch.from_numpy(grey)[None, None])[0, 0].numpy()
            inner = np.s_[8:-8, 8:-8]
            assert np.abs(ours - response)[inner].max() < 1e-4 * response.max()


@real
@pytest.mark.data
@pytest.mark.parametrize(("kind", "harris"), [(Harris, True), (ShiTomasi, False)])
def test_corners_agree_with_opencvs_on_photographs(kind: type[Corners], harris: bool) -> None:
    """Most of our best hundred lie within a pixel of one of OpenCV's, whose window is a box of 3 x 3."""
    for picture in _photographs():
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        settings = {"maxCorners": 250, "qualityLevel": 1e-4, "minDistance": 4, "blockSize": 3}
        theirs = cv2.goodFeaturesToTrack(grey, useHarrisDetector=harris, k=0.04, **settings)[:, 0] + 0.5
        assert _share_within(_points(kind(), picture)[:100], theirs) > 0.8


@real
@pytest.mark.data
def test_sift_agrees_with_opencvs_on_photographs_and_has_no_offset() -> None:
    """OpenCV's with the corrected upscaling: the other one is a quarter of a pixel off."""
    offsets = []
    for picture in _photographs():
        ours = _points(SIFT(points=600, quality=0.0), picture)
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        keypoints = cv2.SIFT_create(nfeatures=150, enable_precise_upscale=True).detect(grey, None)
        theirs = np.array([k.pt for k in keypoints]) + 0.5
        theirs = theirs[((theirs > 6) & (theirs < [314, 234])).all(1)]
        assert _share_within(theirs, ours) > 0.75
        away, which = cKDTree(ours).query(theirs)
        offsets.append((ours[which] - theirs)[away <= 1])
    assert np.abs(np.median(np.concatenate(offsets), 0)).max() < 0.06


@pytest.mark.parametrize("name", CLASSICAL)
def test_it_is_an_architecture_like_any_other(name: str) -> None:
    config = compose("train", [f"architecture={name}"])
    module = assembly.assemble(config)  # tries model, codec and loss on two images
    assert build(config.skeleton).count == 1 and module.codec.anonymous and not module.flip_test
    picture = _board()[0]
    found = module.eval().find(_tensor(picture))[0]
    assert len(found) > 10 and found.keypoints.shape[1:] == (1, 2)
    assert float(found.scores.min()) > 0 and float(found.scores.max()) == pytest.approx(1.0)
    assert (found.scores.diff() <= 0).all()


def test_what_is_found_does_not_depend_on_the_pictures_beside_it() -> None:
    rng = np.random.default_rng(0)
    one = _tensor(cv2.GaussianBlur(rng.integers(0, 255, (64, 64, 3)).astype(np.uint8), (0, 0), 2))
    other = _tensor(_board(8)[0])
    for model in (Harris(50), SIFT(50)):
        alone, beside = model(one), model(torch.cat([other, one]))
        for name, values in alone.items():
            torch.testing.assert_close(values[0], beside[name][1], atol=1e-4, rtol=1e-4)


def test_a_flat_picture_has_no_points() -> None:
    flat = torch.full((1, 3, 64, 64), 0.5)
    for model in (Harris(), ShiTomasi(), SIFT()):
        assert not bool(model(flat)["found"].any())
        assert len(InterestCodec(POINT).decode(model(flat), (1, 64, 64))[0]) == 0


def test_a_skeleton_with_names_is_refused() -> None:
    with pytest.raises(ConfigError, match="skeleton=interest_point"):
        InterestCodec(make("pair", ["left_ear", "right_ear"]))
    with pytest.raises(ConfigError, match="at least 1"):
        Harris(points=0)


def test_the_loss_is_zero_and_attached() -> None:
    config = compose("train", ["architecture=harris"])
    model, codec, loss = build(config.model), build(config.codec), build(config.loss)
    outputs = model(torch.rand(2, 3, 64, 64))
    total = loss(outputs, codec.encode(outputs, SimpleNamespace()))["total"]
    total.backward()
    assert float(total.detach()) == 0 and float(model.still.grad) == 0
