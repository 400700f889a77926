"""Gives people numbers that they keep from frame to frame."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from armature import skeletons
from armature.data.coco import AREA_OF_BOX
from armature.predicting.prediction import NOBODY, Prediction
from armature.structures import Skeleton
from armature.tracks.likeness import oks
from armature.tracks.motion import Motion
from armature.tracks.smoothing import OneEuro, Smoothed

Array = NDArray[np.float64]
#: Keypoints that are nowhere sure still have to be compared: their scores do not fall below this.
_LEAST_WEIGHT = 0.05


@dataclass
class Track:
    """One person: where they were last seen, how they move, and for how long they have not been seen.

    Attributes:
        keypoints, scores: as last found (not smoothed), px. area: px^2. gone: seconds since they were seen.
    """

    id: int
    keypoints: Array
    scores: Array
    area: float
    motion: Motion
    gone: float = 0.0
    smoothed: Smoothed | None = None

    @property
    def expected(self) -> Array:
        """The keypoints where the motion takes them."""
        return self.keypoints + (self.motion.position - _centre(self.keypoints, self.scores))


class Tracker:
    """Association of people by OKS with where their motion takes them, by the Hungarian method.

    Everybody who was seen at most ``max_gap`` seconds ago is looked for; whoever is left is somebody new. OKS's
    tolerance grows with the variance of the predicted place, so that the longer somebody is gone, the further off they
    may come back; and the more it has grown, the less such a pair is worth. Online: a frame's numbers are final.

    Args:
        skeleton: whose sigmas OKS takes.
        min_likeness: OKS from which two poses may be one person. min_start: score from which new people get a number.
        max_gap: seconds after which the lost are forgotten. max_resize: factor by which their size may have changed.
        agility, noise: of ``Motion``. smoothing: of the keypoints; None leaves them as they were found.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        min_likeness: float = 0.2,
        min_start: float = 0.0,
        max_gap: float = 1.0,
        max_resize: float = 1.6,
        agility: float = 2.0,
        noise: float = 0.03,
        smoothing: OneEuro | None = None,
    ) -> None:
        self.sigmas = np.asarray(skeletons.sigmas_or_default(skeleton), float)
        self.min_likeness, self.min_start, self.max_gap = min_likeness, min_start, max_gap
        self.max_resize, self.agility, self.noise, self.smoothing = max_resize, agility, noise, smoothing
        self.tracks: list[Track] = []
        self.seconds: float | None = None
        self.next = 1

    def update(self, found: Prediction, seconds: float) -> Prediction:
        """The same people with their numbers (and, where asked, smoothed keypoints).

        Args:
            seconds: of the frame; later than that of the frame before.
        """
        self._forward(seconds)
        keypoints, scores = found.keypoints.double().numpy(), found.keypoint_scores.double().numpy()
        people = [_Seen(k, s, a) for k, s, a in zip(keypoints, scores, _areas(found), strict=True)]
        ids = np.full(len(found), NOBODY)
        for track, person in self._pairs(people):
            self._see(track, people[person], seconds)
            ids[person] = track.id
        for person in np.flatnonzero((ids == NOBODY) & (found.scores.numpy() >= self.min_start)).tolist():
            ids[person] = self._begin(people[person], seconds).id
        numbered = replace(found, ids=torch.as_tensor(ids, dtype=torch.int64))
        return numbered if self.smoothing is None else self._smoothed(numbered)

    def _forward(self, seconds: float) -> None:
        step = 0.0 if self.seconds is None else max(seconds - self.seconds, 0.0)
        self.seconds = seconds
        for track in self.tracks:
            track.motion.forward(step)
            track.gone += step
        # Whoever was seen in the last frame is not lost, however long ago that was: frames may be far apart.
        self.tracks = [t for t in self.tracks if t.gone <= max(self.max_gap, step)]

    def _pairs(self, people: list[_Seen]) -> list[tuple[Track, int]]:
        """Who is who: the assignment with the greatest sum of likeness times certainty."""
        if not self.tracks or not people:
            return []
        areas = np.array([track.area for track in self.tracks])
        spread = np.array([track.motion.spread for track in self.tracks])
        alike = oks(
            np.stack([track.expected for track in self.tracks]),
            np.stack([person.keypoints for person in people]),
            areas,
            self.sigmas,
            (_weights(self.tracks), _weights(people)),
            spread,
        )
        resized = np.sqrt(np.array([person.area for person in people])[None] / areas[:, None])
        alike[np.maximum(resized, 1 / resized) > self.max_resize] = 0
        # Pairs that may not be are worth nothing, so that they never take a partner from one that may.
        alike[alike < self.min_likeness] = 0
        # A wide bell is a low one: without this, whoever might be anywhere takes the places of those who are there.
        own = areas * np.square(2 * self.sigmas).mean()
        alike *= (own / (own + spread))[:, None]
        rows, columns = linear_sum_assignment(alike, maximize=True)
        return [(self.tracks[r], int(c)) for r, c in zip(rows, columns, strict=True) if alike[r, c] > 0]

    def _see(self, track: Track, person: _Seen, seconds: float) -> None:
        track.motion.see(_centre(person.keypoints, person.scores), person.size)
        track.keypoints, track.scores, track.area, track.gone = person.keypoints, person.scores, person.area, 0.0
        if self.smoothing is not None and track.smoothed is not None:
            track.smoothed.follow(person.keypoints, seconds, person.size, self.smoothing)

    def _begin(self, person: _Seen, seconds: float) -> Track:
        motion = Motion.begun(_centre(person.keypoints, person.scores), person.size, self.agility, self.noise)
        smoothed = None if self.smoothing is None else Smoothed.begun(person.keypoints, seconds)
        track = Track(self.next, person.keypoints, person.scores, person.area, motion, 0.0, smoothed)
        self.tracks.append(track)
        self.next += 1
        return track

    def _smoothed(self, found: Prediction) -> Prediction:
        known = {track.id: track.smoothed.points for track in self.tracks if track.smoothed is not None}
        assert found.ids is not None
        rows = zip(found.ids.tolist(), found.keypoints.numpy(), strict=True)
        points = [known.get(number, points) for number, points in rows]
        if not points:
            return found
        return replace(found, keypoints=torch.from_numpy(np.stack(points).astype(np.float32)))

    def state(self) -> dict[str, Any]:
        """Everything that is remembered, as plain data that ``restore`` takes: numbers exactly."""
        return {"seconds": self.seconds, "next": self.next, "tracks": [_plain(track) for track in self.tracks]}

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on where ``state`` was taken."""
        self.seconds, self.next = state["seconds"], state["next"]
        self.tracks = [_track(plain) for plain in state["tracks"]]


@dataclass
class _Seen:
    """One person of the frame at hand."""

    keypoints: Array
    scores: Array
    area: float

    @property
    def size(self) -> float:
        return float(np.sqrt(self.area))


def _areas(found: Prediction) -> Array:
    """px^2 as COCO's areas are: a share of the box, which is not smaller than what the keypoints span."""
    boxes, points = found.boxes.double().numpy(), found.keypoints.double().numpy()
    if not len(boxes):
        return np.zeros(0)
    spans = np.ptp(points, axis=1).prod(-1)
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 1.0)
    return np.asarray(AREA_OF_BOX * np.maximum(np.maximum(sides.prod(-1), spans), 1.0))


def _centre(keypoints: Array, scores: Array) -> Array:
    weights = np.maximum(scores, _LEAST_WEIGHT)
    return np.asarray((keypoints * weights[:, None]).sum(0) / weights.sum())


def _weights(people: list[Track] | list[_Seen]) -> Array:
    return np.maximum(np.stack([p.scores for p in people]), _LEAST_WEIGHT)


def _plain(track: Track) -> dict[str, Any]:
    motion = {name: _listed(value) for name, value in vars(track.motion).items()}
    smoothed = None if track.smoothed is None else {n: _listed(v) for n, v in vars(track.smoothed).items()}
    return {name: _listed(value) for name, value in vars(track).items()} | {"motion": motion, "smoothed": smoothed}


def _listed(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value


def _track(plain: dict[str, Any]) -> Track:
    motion, smoothed = Motion(**_arrays(plain["motion"])), plain["smoothed"]
    whole = _arrays(plain) | {"motion": motion, "smoothed": Smoothed(**_arrays(smoothed)) if smoothed else None}
    return Track(**whole)


def _arrays(plain: dict[str, Any]) -> dict[str, Any]:
    return {name: np.array(value) if isinstance(value, list) else value for name, value in plain.items()}
