"""Pairs of views of one plane with the map between them: made from any picture, or read in HPatches' layout."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from armature.data.geometry import translation
from armature.data.pictures import read_picture
from armature.data.source import Picture
from armature.errors import DataError
from armature.interest import homographies
from armature.interest.homographies import Homography
from armature.suites.corruption_kinds import KINDS

#: HPatches: sequences of six pictures, of which the first is the reference.
VIEWS = (2, 3, 4, 5, 6)
_ENDINGS = (".ppm", ".png", ".jpg")


@dataclass(frozen=True, eq=False)
class Pair:
    """Two views of a plane.

    Attributes:
        kind: what differs (``viewpoint``, ``illumination``, ``rotation`` ...). strength: how much; 0 where drawn.
        second: the second picture; the first is the scene's. homography: first -> second, continuous px.
    """

    kind: str
    strength: float
    second: Picture
    homography: Homography


@dataclass(frozen=True, eq=False)
class PairScene:
    """A picture and its other views; ``number`` is unique."""

    number: int
    first: Picture
    pairs: list[Pair]


#: (picture, random numbers) -> pair
Maker = Callable[[Picture, np.random.Generator], Pair]


def viewpoint(picture: Picture, rng: np.random.Generator) -> Pair:
    """A random homography."""
    size = picture.shape[:2]
    homography = homographies.draw(size, rng)
    return Pair("viewpoint", 0.0, homographies.warped(picture, homography, size), homography)


def illumination(picture: Picture, rng: np.random.Generator) -> Pair:
    """Another light in the same place: exposure, gamma, a shadow across, some noise."""
    light = picture.astype(np.float32) / 255
    light = light ** float(np.exp(rng.uniform(-0.6, 0.6))) * float(rng.uniform(0.6, 1.5))
    height, width = picture.shape[:2]
    x, y = np.meshgrid(np.linspace(-1, 1, width, dtype=np.float32), np.linspace(-1, 1, height, dtype=np.float32))
    angle = float(rng.uniform(0, 2 * np.pi))
    slope = 1 / (1 + np.exp(-6 * (x * np.cos(angle) + y * np.sin(angle) - rng.uniform(-0.5, 0.5))))
    light = light * (1 - rng.uniform(0.2, 0.6) * slope[..., None]) + rng.normal(0, 0.01, picture.shape)
    return Pair("illumination", 0.0, np.clip(light * 255 + 0.5, 0, 255).astype(np.uint8), np.eye(3))


def turned(degrees: float) -> Maker:
    """A turn about the middle."""

    def make(picture: Picture, rng: np.random.Generator) -> Pair:
        angle, size = np.radians(degrees), picture.shape[:2]
        linear = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        return _about("rotation", degrees, picture, linear, size)

    return make


def scaled(factor: float) -> Maker:
    """An enlargement about the middle."""

    def make(picture: Picture, rng: np.random.Generator) -> Pair:
        return _about("scale", factor, picture, np.eye(2) * factor, picture.shape[:2])

    return make


def corrupted(kind: str, strength: int) -> Maker:
    """The same place, gone bad as the corruptions suite has it."""

    def make(picture: Picture, rng: np.random.Generator) -> Pair:
        light = KINDS[kind]((picture / np.float32(255)).astype(np.float32), strength, rng)
        return Pair(kind, float(strength), np.clip(light * 255 + 0.5, 0, 255).astype(np.uint8), np.eye(3))

    return make


def unchanged(picture: Picture, rng: np.random.Generator) -> Pair:
    """The picture itself."""
    return Pair("identity", 0.0, picture.copy(), np.eye(3))


def made(pictures: Sequence[tuple[int, Picture]], makers: Sequence[Maker], seed: int) -> Iterator[PairScene]:
    """Every picture with one pair of each maker; random numbers follow from the seed, the picture and the maker."""
    for number, picture in pictures:
        pairs = [make(picture, np.random.default_rng((seed, number, i))) for i, make in enumerate(makers)]
        yield PairScene(number, picture, pairs)


def hpatches(folder: str | Path, longest: int | None = 320, count: int | None = None) -> Iterator[PairScene]:
    """The sequences of a folder in HPatches' layout (Balntas et al. 2017): ``v_*`` viewpoint, ``i_*`` illumination.

    Each has 1.ppm to 6.ppm and the homographies H_1_2 to H_1_6 as text, in pixel indices.

    Args:
        longest: px to which the longer side is reduced, as the published protocols do; None keeps it.
        count: of the sequences, in the order of their names.

    Raises:
        DataError: no sequence there, a file missing, a homography that is none; names it.
    """
    root = Path(folder).expanduser()
    sequences = sorted(p for p in root.glob("[iv]_*") if p.is_dir())
    if not sequences:
        raise DataError(f"hpatches={folder}: no folder i_* or v_* in it; point it at hpatches-sequences-release")
    for number, sequence in enumerate(sequences[:count], 1):
        first, before = _reduced(_picture(sequence, 1), longest)
        kind = "viewpoint" if sequence.name.startswith("v_") else "illumination"
        pairs = []
        for view in VIEWS:
            second, after = _reduced(_picture(sequence, view), longest)
            indices = _homography(sequence / f"H_1_{view}")
            whole = translation(0.5, 0.5) @ indices @ translation(-0.5, -0.5)
            pairs.append(Pair(kind, float(view), second, after @ whole @ np.linalg.inv(before)))
        yield PairScene(number, first, pairs)


def _about(kind: str, strength: float, picture: Picture, linear: np.ndarray, size: tuple[int, int]) -> Pair:
    matrix = np.eye(3)
    matrix[:2, :2] = linear
    middle = size[1] / 2, size[0] / 2
    homography = translation(*middle) @ matrix @ translation(-middle[0], -middle[1])
    return Pair(kind, float(strength), homographies.warped(picture, homography, size), homography)


def _picture(sequence: Path, number: int) -> Picture:
    for ending in _ENDINGS:
        if (file := sequence / f"{number}{ending}").is_file():
            return read_picture(file)
    raise DataError(f"{sequence}: no picture {number} ({', '.join(_ENDINGS)})")


def _reduced(picture: Picture, longest: int | None) -> tuple[Picture, Homography]:
    """The picture at its working size, and the map there."""
    height, width = picture.shape[:2]
    factor = 1.0 if longest is None else min(1.0, longest / max(height, width))
    if factor == 1.0:
        return picture, np.eye(3)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    small = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))
    return small, np.diag([size[0] / width, size[1] / height, 1.0])


def _homography(file: Path) -> Homography:
    try:
        matrix = np.loadtxt(file)
    except (OSError, ValueError) as error:
        raise DataError(f"{file}: no homography can be read: {error}") from error
    if matrix.shape != (3, 3) or not np.isfinite(matrix).all() or abs(np.linalg.det(matrix)) < 1e-12:
        raise DataError(
            f"{file}: a homography is 3 x 3 finite numbers that can be inverted; found shape {matrix.shape}"
        )
    return np.asarray(matrix, np.float64)
