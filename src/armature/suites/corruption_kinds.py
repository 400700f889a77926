"""Ways in which a picture goes bad, each at five strengths, under the names of ImageNet-C and COCO-C.

Names and, where a number is not marked as ours, strengths: Hendrycks & Dietterich, *Benchmarking Neural Network
Robustness to Common Corruptions and Perturbations* (ICLR 2019), made for pictures of 224 px; Michaelis et al.,
*Benchmarking Robustness in Object Detection* (2019), judge COCO by them. Lengths in px are for a shorter side of 224,
and scale with the canvas. Snow, fog and motion blur are drawn in our own way: figures compare within this project,
and with others only roughly. The two kinds of occlusion are not among theirs.

A kind takes a picture (H, W, 3) uint8, its people, a strength 1 to 5 and random numbers; it returns another picture.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from armature.data.geometry import FILL
from armature.data.source import Picture
from armature.structures import Record, Skeleton
from armature.suites.scenes import Change

STRENGTHS = (1, 2, 3, 4, 5)
_Light = NDArray[np.float32]
_Kind = Callable[[_Light, int, np.random.Generator], _Light]


def gaussian_noise(light: _Light, strength: int, rng: np.random.Generator) -> _Light:
    """Sensor noise, the same everywhere."""
    spread = (0.08, 0.12, 0.18, 0.26, 0.38)[strength - 1]
    return light + rng.standard_normal(light.shape, np.float32) * np.float32(spread)


def shot_noise(light: _Light, strength: int, rng: np.random.Generator) -> _Light:
    """Noise of few photons: Poisson, so that light parts are noisier."""
    photons = (60, 25, 12, 5, 3)[strength - 1]
    return (rng.poisson(light * photons) / photons).astype(np.float32)


def impulse_noise(light: _Light, strength: int, rng: np.random.Generator) -> _Light:
    """Salt and pepper in each channel."""
    share = (0.03, 0.06, 0.09, 0.17, 0.27)[strength - 1]
    draw = rng.random(light.shape, np.float32)
    return np.where(draw < share / 2, 0, np.where(draw > 1 - share / 2, 1, light)).astype(np.float32)


def defocus_blur(light: _Light, strength: int, rng: np.random.Generator) -> _Light:
    """A disc for every point."""
    radius = (3, 4, 6, 8, 10)[strength - 1] * _unit(light)
    side = int(np.ceil(radius))
    y, x = np.mgrid[-side : side + 1, -side : side + 1]
    kernel = np.clip(radius + 0.5 - np.hypot(x, y), 0, 1)
    return _filtered(light, kernel)


def motion_blur(light: _Light, strength: int, rng: np.random.Generator) -> _Light:
    """A line of random direction for every point; lengths are ours."""
    length = max(2.0, (6, 9, 13, 18, 24)[strength - 1] * _unit(light))
    side, angle = int(np.ceil(length / 2)), float(rng.uniform(0, np.pi))
    y, x = np.mgrid[-side : side + 1, -side : side + 1].astype(np.float64)
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    kernel = np.clip(length / 2 + 0.5 - np.abs(along), 0, 1) * np.clip(1 - np.abs(across), 0, 1)
    return _filtered(light, kernel)


def fog(light: _Light, strength: int, rng: np.random.Generator) -> _Light:
    """White that is thick in some places; strengths are ours."""
    thick = (0.3, 0.42, 0.54, 0.66, 0.78)[strength - 1]
    cloud = _cloud(light.shape[:2], rng)
    share = (thick * (0.6 + 0.8 * cloud))[..., None].clip(0, 0.95)
    return (light * (1 - share) + 0.92 * share).astype(np.float32)


def snow(light: _Light, strength: int, rng: np.random.Generator) -> _Light:
    """Flakes in the wind before a whitish picture; strengths are ours."""
    share = (0.004, 0.008, 0.014, 0.022, 0.032)[strength - 1]
    flakes = (rng.random(light.shape[:2], np.float32) < share).astype(np.float32)
    flakes = cv2.GaussianBlur(flakes, (0, 0), 0.9 * max(1.0, _unit(light)))[..., None] * 7
    streaks = motion_blur(np.repeat(flakes, 3, 2), min(5, 1 + strength // 2), rng)
    pale = light * (1 - 0.06 * strength) + 0.06 * strength * (0.5 + 0.5 * light.mean(2, keepdims=True))
    return (pale + 1.2 * streaks).astype(np.float32)


def brightness(light: _Light, strength: int, rng: np.random.Generator) -> _Light:
    """Too much light: added to the value of HSV."""
    hsv = cv2.cvtColor(light, cv2.COLOR_RGB2HSV)
    hsv[..., 2] = np.clip(hsv[..., 2] + (0.1, 0.2, 0.3, 0.4, 0.5)[strength - 1], 0, 1)
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB))


def contrast(light: _Light, strength: int, rng: np.random.Generator) -> _Light:
    """Drawn towards its mean colour."""
    factor = (0.4, 0.3, 0.2, 0.1, 0.05)[strength - 1]
    middle = light.mean((0, 1), keepdims=True)
    return (light - middle) * np.float32(factor) + middle


def pixelate(light: _Light, strength: int, rng: np.random.Generator) -> _Light:
    """A low resolution, enlarged again by whole blocks."""
    share = (0.6, 0.5, 0.4, 0.3, 0.25)[strength - 1]
    height, width = light.shape[:2]
    small = cv2.resize(light, (max(1, int(width * share)), max(1, int(height * share))), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST))


def jpeg_compression(light: _Light, strength: int, rng: np.random.Generator) -> _Light:
    """What JPEG leaves at low quality."""
    quality = (25, 18, 15, 10, 7)[strength - 1]
    picture = np.clip(light * 255 + 0.5, 0, 255).astype(np.uint8)
    packed = cv2.imencode(".jpg", picture[..., ::-1], (cv2.IMWRITE_JPEG_QUALITY, quality))[1]
    unpacked = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR))[..., ::-1]
    return (unpacked / np.float32(255)).astype(np.float32)


#: Kinds by the name that the literature has for them.
KINDS: dict[str, _Kind] = {
    kind.__name__: kind
    for kind in (
        *(gaussian_noise, shot_noise, impulse_noise, defocus_blur, motion_blur, snow, fog),
        *(brightness, contrast, pixelate, jpeg_compression),
    )
}
#: Kinds that need to know where the people are; theirs are no means over the others.
OCCLUSIONS = ("occluded_keypoints", "occluded_limbs")


def change(kind: str, strength: int, skeleton: Skeleton) -> Change:
    """The change of a kind at a strength of 1 to 5."""
    if kind in OCCLUSIONS:
        middles = _keypoints if kind == OCCLUSIONS[0] else _limbs

        def cover(picture: Picture, record: Record, rng: np.random.Generator) -> Picture:
            return occlude(picture, record, strength, rng, lambda person: middles(record, person, skeleton))

        return cover

    def corrupt(picture: Picture, record: Record, rng: np.random.Generator) -> Picture:
        light = KINDS[kind]((picture / np.float32(255)).astype(np.float32), strength, rng)
        return np.clip(light * 255 + 0.5, 0, 255).astype(np.uint8)

    return corrupt


def occlude(
    picture: Picture,
    record: Record,
    strength: int,
    rng: np.random.Generator,
    middles: Callable[[int], NDArray[np.float64]],
) -> Picture:
    """Grey blocks, a tenth of a person's longer side wide, on ``strength`` out of six of the middles of each person.

    Args:
        middles: person -> (P, 2) canvas px that may be covered.
    """
    covered = picture.copy()
    for person in np.flatnonzero(~record.crowd):
        places = middles(int(person))
        if not len(places):
            continue
        count = max(1, round(len(places) * strength / 6))
        box = record.boxes[person]
        half = max(2.0, 0.05 * float((box[2:] - box[:2]).max()))
        for x, y in places[rng.permutation(len(places))[:count]]:
            left, top = (max(0, round(v - half)) for v in (x, y))
            covered[top : max(0, round(y + half)), left : max(0, round(x + half))] = FILL
    return covered


def _keypoints(record: Record, person: int, skeleton: Skeleton) -> NDArray[np.float64]:
    return record.keypoints[person][record.visibility[person] > 0]


def _limbs(record: Record, person: int, skeleton: Skeleton) -> NDArray[np.float64]:
    """Middles of the limbs both of whose ends are labelled."""
    on = record.visibility[person] > 0
    pairs = [(a, b) for a, b in skeleton.edges if on[a] and on[b]]
    points = record.keypoints[person]
    return np.array([(points[a] + points[b]) / 2 for a, b in pairs]).reshape(-1, 2)


def _unit(light: _Light) -> float:
    """Canvas px for one px of the published strengths."""
    return min(light.shape[:2]) / 224


def _filtered(light: _Light, kernel: NDArray[np.float64]) -> _Light:
    return np.asarray(cv2.filter2D(light, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT_101))


def _cloud(size: tuple[int, int], rng: np.random.Generator) -> _Light:
    """A smooth random field within 0 to 1: octaves of noise."""
    field = np.zeros(size, np.float32)
    for cells, weight in ((3, 0.55), (6, 0.27), (12, 0.18)):
        noise = rng.random((cells, cells), np.float32)
        field += weight * cv2.resize(noise, (size[1], size[0]), interpolation=cv2.INTER_CUBIC)
    return np.clip(field, 0, 1)
