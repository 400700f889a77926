"""Who is examined: something that finds people, or interest points, on pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from armature.data.source import Picture
from armature.errors import ConfigError
from armature.module import PoseModule
from armature.structures import Outputs, Poses, Skeleton
from armature.suites.scenes import Scene, View, show


@dataclass
class Subject:
    """A network with its codec, on pictures of its canvas.

    Attributes:
        name: in tables. module: in evaluation mode. skeleton: its points. canvas: (H, W).
        batch: pictures at once. card: what is to be said of it in a protocol card.
    """

    name: str
    module: PoseModule
    skeleton: Skeleton
    canvas: tuple[int, int]
    batch: int = 16
    card: dict[str, Any] = field(default_factory=dict)

    @property
    def anonymous(self) -> bool:
        """Whether its points have no names, so that only a set of them can be compared with a set."""
        return bool(getattr(self.module.codec, "anonymous", False))

    def named(self, suite: str) -> None:
        """Passes where the points have names.

        Raises:
            ConfigError: they have none, and the suite needs them.
        """
        if self.anonymous:
            raise ConfigError(
                f"suite {suite} follows each named keypoint, and {self.name} finds points without names; "
                "suite=repeatability is for both"
            )

    @torch.inference_mode()
    def find(self, pictures: Sequence[Picture]) -> list[Poses]:
        """What is found on each picture, canvas px, on the CPU."""
        return [found.to("cpu") for found in self.module.find(self.images(pictures))]

    @torch.inference_mode()
    def say(self, pictures: Sequence[Picture]) -> tuple[Outputs, list[Poses]]:
        """The network's own outputs and what the codec makes of them."""
        images = self.images(pictures)
        outputs = self.module.predict_outputs(images)
        shape = images.shape
        return outputs, self.module.codec.decode(outputs, (shape[0], shape[2], shape[3]))

    def images(self, pictures: Sequence[Picture]) -> Tensor:
        """(B, 3, H, W) float in [0, 1] on the network's device."""
        stacked = torch.from_numpy(np.stack(list(pictures))).permute(0, 3, 1, 2)
        images = stacked.to(self.module.device).float().div_(255)
        return images.contiguous(memory_format=self.module.layout)


def look(subject: Subject, scenes: Sequence[Scene], view: View, seed: int) -> list[Poses]:
    """What is found on a view of each scene, mapped back to where it is on the unchanged canvas."""
    found: list[Poses] = []
    for pictures in batches(scenes, view, seed, subject.batch):
        found += subject.find(pictures)
    return [mapped_back(people, view, subject.skeleton) for people in found]


def batches(scenes: Sequence[Scene], view: View, seed: int, size: int) -> Iterator[list[Picture]]:
    """A view of the scenes, ``size`` at a time; the next are drawn while the last are looked at."""
    parts = [scenes[i : i + size] for i in range(0, len(scenes), size)]

    def draw(part: Sequence[Scene]) -> list[Picture]:
        return [show(scene, view, seed) for scene in part]

    with ThreadPoolExecutor(1) as pool:
        waiting = [pool.submit(draw, part) for part in parts[:2]]
        for number in range(len(parts)):
            yield waiting.pop(0).result()
            if number + 2 < len(parts):
                waiting.append(pool.submit(draw, parts[number + 2]))


def mapped_back(people: Poses, view: View, skeleton: Skeleton) -> Poses:
    """People found on a view as they are on the unchanged canvas, left and right included."""
    back = people.transform(torch.from_numpy(np.linalg.inv(view.matrix)).float())
    if not view.mirrored:
        return back
    flip = list(skeleton.flip)
    return Poses(back.keypoints[:, flip], back.keypoint_scores[:, flip], back.boxes, back.scores)
