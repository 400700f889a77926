"""Annotated points located without training: SIFT matched to annotated pictures, and a vote on where they moved to.

Of a new picture every annotated picture (a template) proposes a place: descriptors that are each other's nearest and
pass Lowe's ratio are matched, and RANSAC finds the similarity (turn, scale, shift) that most of them agree on (the
geometric vote; Lowe 2004, section 7, votes by a Hough transform and ends in the same least squares). The template with
the most agreeing matches is believed, and its annotated points are carried over. This can work where the object keeps
its shape: a rigid thing, less so a face, hardly a body.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from armature.data.geometry import Matrix, map_points, warp
from armature.data.source import Picture, Source
from armature.errors import ConfigError, DataError
from armature.interest.detectors import SIFT
from armature.interest.matching import mutual
from armature.interest.repeatability import Found
from armature.structures import Poses, Record


@dataclass(frozen=True, eq=False)
class Template:
    """An annotated picture: its interest points near the object, and the object's keypoints (K, 2), all in the same px.

    ``labelled``: (K,) bool.
    """

    points: Found
    keypoints: NDArray[np.float64]
    labelled: NDArray[np.bool_]


class TemplateMatcher:
    """Answers with the keypoints of the template that explains most of a picture.

    Args:
        longest: px to which the longer side of a picture is reduced before SIFT. points: of a picture.
        ratio: Lowe's. within: px of agreement. agreeing: least matches that agree. around: share of the object's box
            beside it that still belongs to its template.

    Raises:
        ConfigError: settings that make no sense.
    """

    def __init__(
        self,
        longest: int = 320,
        points: int = 400,
        ratio: float = 0.85,
        within: float = 6.0,
        agreeing: int = 5,
        around: float = 0.15,
    ) -> None:
        if longest < 32 or points < 8 or not 0 < ratio <= 1 or within <= 0 or agreeing < 3:
            raise ConfigError(
                "template: longest from 32 px, points from 8, ratio in (0, 1], within above 0 px, agreeing from 3; "
                f"found {longest}, {points}, {ratio}, {within}, {agreeing}"
            )
        self.longest, self.ratio, self.within, self.agreeing, self.around = longest, ratio, within, agreeing, around
        self.sift = SIFT(points, quality=0.02).eval()
        self.templates: list[Template] = []

    def learn(self, source: Source, count: int | None = None) -> int:
        """Takes the first ``count`` annotated pictures as templates, one person each; how many there are.

        Raises:
            DataError: none of the pictures has anybody labelled.
        """
        for index in range(len(source)):
            if count is not None and len(self.templates) >= count:
                break
            picture, record = source.read(index)
            if (template := self._template(picture, record)) is not None:
                self.templates.append(template)
        if not self.templates:
            raise DataError(f"template: none of {len(source)} training pictures has a labelled object")
        return len(self.templates)

    def find(self, picture: Picture) -> Poses:
        """The object in a picture, at most one, in the picture's px; a keypoint that the template lacks scores 0.

        The score is the share of the template's points that agree.
        """
        found, back = self.describe(picture)
        votes = [(self._vote(template, found), template) for template in self.templates]
        best = max(votes, key=lambda vote: vote[0][1])
        (matrix, agreed), template = best
        k = len(template.labelled)
        if matrix is None:
            return Poses(torch.zeros(0, k, 2), torch.zeros(0, k), torch.zeros(0, 4), torch.zeros(0))
        points = map_points(map_points(template.keypoints, matrix), back)
        score = agreed / max(1, len(template.points))
        low, high = points[template.labelled].min(0), points[template.labelled].max(0)
        parts = (points[None], score * template.labelled[None], np.concatenate([low, high])[None], np.array([score]))
        return Poses(*(torch.from_numpy(np.asarray(part)).float() for part in parts))

    @torch.inference_mode()
    def describe(self, picture: Picture) -> tuple[Found, Matrix]:
        """The picture's interest points in the px of its reduced size, and the map from there to the picture."""
        height, width = picture.shape[:2]
        factor = min(1.0, self.longest / max(height, width))
        size = max(16, round(height * factor)), max(16, round(width * factor))
        there = np.diag([size[1] / width, size[0] / height, 1.0])
        image = torch.from_numpy(warp(picture, there, size)).permute(2, 0, 1)[None].float() / 255
        outputs = self.sift(image)
        on = outputs["found"][0]
        points, described = (outputs[name][0][on].double().numpy() for name in ("points", "descriptors"))
        return Found(points, described), np.asarray(np.linalg.inv(there))

    def _template(self, picture: Picture, record: Record) -> Template | None:
        people = np.flatnonzero(~record.crowd & (record.visibility > 0).any(1))
        if not len(people):
            return None
        person = people[np.argmax(record.areas[people])]
        found, back = self.describe(picture)
        there = np.asarray(np.linalg.inv(back))
        box = map_points(record.boxes[person].reshape(2, 2), there)
        margin = self.around * float((box[1] - box[0]).max())
        inside = ((found.xy >= box[0] - margin) & (found.xy <= box[1] + margin)).all(1)
        labelled = record.visibility[person] > 0
        return Template(found.among(inside), map_points(record.keypoints[person], there), labelled)

    def _vote(self, template: Template, found: Found) -> tuple[Matrix | None, int]:
        """The similarity template -> picture and how many matches agree on it; (None, 0) where too few do."""
        if template.points.descriptors is None or found.descriptors is None:
            return None, 0
        pairs = mutual(template.points.descriptors, found.descriptors, self.ratio)
        if len(pairs) < self.agreeing:
            return None, 0
        cv2.setRNGSeed(0)
        source, target = template.points.xy[pairs[:, 0]], found.xy[pairs[:, 1]]
        matrix, agree = cv2.estimateAffinePartial2D(
            source, target, method=cv2.RANSAC, ransacReprojThreshold=self.within
        )
        agreed = 0 if agree is None else int(agree.sum())
        if matrix is None or agreed < self.agreeing or not np.isfinite(matrix).all():
            return None, 0
        return np.concatenate([np.asarray(matrix, np.float64), [[0.0, 0.0, 1.0]]]), agreed


def locate(matcher: TemplateMatcher, source: Source) -> list[Poses]:
    """What a matcher finds in every picture of a source, source px."""
    return [matcher.find(source.read(index)[0]) for index in range(len(source))]
