"""The data set that draws itself."""

from __future__ import annotations

import hashlib
import json

import numpy as np
from numpy.typing import NDArray

from armature.data.synthetic import figures
from armature.data.synthetic.palette import Image
from armature.data.synthetic.scene import Settings, compose, record
from armature.errors import DataError
from armature.structures import Record, Skeleton

#: Changes whenever the same parameters draw other pictures, so that fingerprints do too.
VERSION = 2
#: Annotation ids of one picture start this far from those of the next.
IDS = 64


class Synthetic:
    """Pictures of jointed figures with exact truth, drawn on demand; a Source like the readers of files.

    A picture is a function of (seed, index, epoch) alone, in every process; with ``vary=False`` of (seed, index).

    Args:
        skeleton: which points; people, hands, four-legged animals and mice are known by their keypoint names, any
            other skeleton becomes a figure grown from its edges.
        length: pictures an epoch.
        size: (H, W) px.
        seed: another seed is another data set.
        vary: every epoch draws new pictures.
        people: least and most figures in a picture.
        scale: least and most height of a figure, standing, as a share of the picture's smaller side.
        crowd: share of pictures with a crowd, which is one annotation without points, to be ignored.
        occluders: share of pictures with things in front of the figures.

    Raises:
        DataError: a parameter that no picture can satisfy.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        length: int,
        size: tuple[int, int] = (256, 256),
        seed: int = 0,
        vary: bool = True,
        people: tuple[int, int] = (1, 5),
        scale: tuple[float, float] = (0.2, 1.1),
        crowd: float = 0.05,
        occluders: float = 0.3,
    ) -> None:
        self.skeleton = skeleton
        self.length, self.seed, self.vary = int(length), int(seed), bool(vary)
        self.settings = Settings(
            size=(int(size[0]), int(size[1])),
            people=(int(people[0]), int(people[1])),
            scale=(float(scale[0]), float(scale[1])),
            crowd=float(crowd),
            occluders=float(occluders),
        )
        self._check()
        self._rig = figures.rig(skeleton)
        self._records: list[Record] | None = None

    def __len__(self) -> int:
        return self.length

    def render(self, index: int, epoch: int = 0) -> tuple[Image, NDArray[np.uint16], Record]:
        """The picture (H, W, 3), its label map (H, W) and its record.

        The label map is 0 for scenery, else figure << 8 | part, figures counted from 1, a crowd being 255. The figure
        of an annotation is its id modulo 64, 63 standing for the crowd.
        """
        if not 0 <= index < self.length:
            raise IndexError(f"picture {index} of a synthetic data set of {self.length}")
        rng = np.random.default_rng((self.seed, index, epoch if self.vary else 0))
        image, labels, truth = compose(self._rig, self.settings, rng)
        return image, labels, record(truth, index + 1, self.settings.size, IDS)

    def read(self, index: int, epoch: int = 0) -> tuple[Image, Record]:
        """The picture (H, W, 3) and its record."""
        image, _, found = self.render(index, epoch)
        return image, found

    @property
    def records(self) -> list[Record]:
        """The records of epoch 0, in order: what evaluation judges against."""
        if self._records is None:
            self._records = [self.read(i)[1] for i in range(self.length)]
        return self._records

    def fingerprint(self) -> str:
        """sha256 over everything the pictures follow from."""
        points = [self.skeleton.name, self.skeleton.keypoints, self.skeleton.edges, self.skeleton.flip]
        told = [VERSION, self.length, self.seed, self.vary, self.settings, points]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()

    def _check(self) -> None:
        s = self.settings
        wrong = {
            "length": (self.length, self.length >= 1, "at least 1"),
            "size": (s.size, min(s.size) >= 16, "at least 16 px a side"),
            "people": (s.people, 0 <= s.people[0] <= s.people[1] <= IDS - 2, f"least <= most, within 0..{IDS - 2}"),
            "scale": (s.scale, 0 < s.scale[0] <= s.scale[1], "0 < least <= most"),
            "crowd": (s.crowd, 0 <= s.crowd <= 1, "a share within 0..1"),
            "occluders": (s.occluders, 0 <= s.occluders <= 1, "a share within 0..1"),
            "seed": (self.seed, self.seed >= 0, "0 or greater"),
        }
        for name, (value, right, what) in wrong.items():
            if not right:
                raise DataError(f"Synthetic: {name}={value} cannot be drawn; give {what}")
