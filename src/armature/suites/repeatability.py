"""Do the points come back in another view of the picture? For detectors and for networks alike.

A network's points are the keypoints of its best people, as many as are annotated, whatever their names; an interest
point detector's are all that it finds. What is measured is in ``interest.repeatability`` and ``interest.matching``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
import torch

from armature.data.source import Picture
from armature.errors import ConfigError
from armature.evaluation.ratios import Ratios
from armature.interest import matching, pairs, repeatability
from armature.interest.pairs import Maker, Pair, PairScene
from armature.interest.repeatability import EPSILONS, Found
from armature.structures import Poses, Record
from armature.suites.consistency import best
from armature.suites.corruption_kinds import KINDS
from armature.suites.drawn import Draws, Values
from armature.suites.result import Curve, Result
from armature.suites.scenes import Scene, filling
from armature.suites.subject import Subject

_UNITS = {"rotation": "degrees", "scale": "factor"}
_Sums = dict[tuple[str, float, str], list[tuple[int, float, float]]]


class Repeatability:
    """Pairs of views of each picture.

    Args:
        viewpoints, illuminations: pairs of each for every picture. rotations: degrees. scales: factors.
        corruptions: kind -> strengths. hpatches: a folder in that layout, whose pairs are used instead of all these.
        longest: px of an HPatches picture's longer side. resamples, seed, shown: as in ``Equivariance``.

    Raises:
        ConfigError: a corruption that there is not.
    """

    def __init__(
        self,
        viewpoints: int = 2,
        illuminations: int = 1,
        rotations: Sequence[float] = (15, 45, 90),
        scales: Sequence[float] = (0.6, 0.8, 1.3),
        corruptions: dict[str, Sequence[int]] | None = None,
        hpatches: str | None = None,
        longest: int = 320,
        resamples: int = 1000,
        seed: int = 0,
        shown: int = 2,
    ) -> None:
        chosen = {"gaussian_noise": [1, 3], "defocus_blur": [1, 3], "jpeg_compression": [1, 3]}
        self.corruptions = {k: list(v) for k, v in (chosen if corruptions is None else corruptions).items()}
        if unknown := [kind for kind in self.corruptions if kind not in KINDS]:
            raise ConfigError(f"suite.corruptions: there is no {unknown[0]}; known: {', '.join(KINDS)}")
        self.viewpoints, self.illuminations = viewpoints, illuminations
        self.rotations, self.scales = list(rotations), list(scales)
        self.hpatches, self.longest = hpatches, longest
        self.resamples, self.seed, self.shown = resamples, seed, shown

    def card(self) -> dict[str, object]:
        """The settings, for the protocol card."""
        return dict(vars(self))

    def makers(self) -> list[Maker]:
        """What makes a second view of a picture."""
        makers: list[Maker] = []
        makers += [pairs.viewpoint] * self.viewpoints + [pairs.illumination] * self.illuminations
        makers += [pairs.turned(d) for d in self.rotations] + [pairs.scaled(f) for f in self.scales]
        return makers + [pairs.corrupted(k, s) for k, strengths in self.corruptions.items() for s in strengths]

    def __call__(self, subject: Subject, scenes: Sequence[Scene]) -> Result:
        """The result of any subject, on the scenes' pictures or on HPatches'."""
        if self.hpatches is not None:
            known: dict[int, Record] = {}
            paired: Iterator[PairScene] = pairs.hpatches(self.hpatches, self.longest)
        else:
            known = {i: scene.record for i, scene in enumerate(scenes)}
            pictures = [(i, filling(scene)) for i, scene in enumerate(scenes)]
            paired = pairs.made(pictures, self.makers(), self.seed)
        sums: _Sums = defaultdict(list)
        examples: list[tuple[Picture, Picture, Found, Found, Pair]] = []
        number = 0
        for number, scene in enumerate(paired, 1):
            found = points_of(subject, [scene.first, *(pair.second for pair in scene.pairs)], known.get(scene.number))
            for pair, second in zip(scene.pairs, found[1:], strict=True):
                _add(sums, number - 1, scene.first, pair, found[0], second)
            if number <= self.shown:
                examples.append((scene.first, scene.pairs[0].second, found[0], found[1], scene.pairs[0]))
        return self._result(subject, sums, Draws.of(number, self.resamples, self.seed), examples)

    def _result(self, subject: Subject, sums: _Sums, draws: Draws, examples: list) -> Result:
        from armature.suites import correspondences

        values = _under(sums, draws)
        result = Result("repeatability", subject.name, {}, card=self.card())
        kinds = list(dict.fromkeys(kind for kind, _, _ in values))
        for kind in kinds:
            for measure in dict.fromkeys(m for k, _, m in values if k == kind):
                own = [(s, v) for (k, s, m), v in values.items() if (k, m) == (kind, measure)]
                whole = _ratio(sums, kind, measure, draws)
                result.numbers[f"{measure}/{kind}"] = draws.interval(whole)
                if measure == "localisation":
                    result.units[f"{measure}/{kind}"] = "px"
                if len(own) > 1 and kind not in ("viewpoint", "illumination"):
                    own.sort(key=lambda pair: pair[0])
                    points = tuple(draws.interval(v) for _, v in own)
                    strengths = tuple(s for s, _ in own)
                    result.curves.append(Curve(kind, measure, _UNITS.get(kind, "strength"), strengths, points))
        result.pictures = [correspondences.picture(*example) for example in examples]
        return result


def points_of(subject: Subject, pictures: Sequence[Picture], record: Record | None) -> list[Found]:
    """The points of each picture; a network's are the keypoints of its best people.

    Args:
        record: tells how many people there are; None takes five.
    """
    found: list[Found] = []
    for size in range(0, len(pictures), subject.batch):
        for run in _of_one_size(pictures[size : size + subject.batch]):
            outputs, people = subject.say(run)
            for i, one in enumerate(people):
                found.append(_of_outputs(outputs, i) if subject.anonymous else _of_people(one.to("cpu"), record))
    return found


def _of_one_size(pictures: Sequence[Picture]) -> Iterator[list[Picture]]:
    """Runs of pictures that fit into one batch."""
    run: list[Picture] = []
    for picture in pictures:
        if run and run[0].shape != picture.shape:
            yield run
            run = []
        run.append(picture)
    if run:
        yield run


def _of_outputs(outputs: dict[str, torch.Tensor], image: int) -> Found:
    on = outputs["found"][image]
    points = outputs["points"][image][on].double().cpu().numpy()
    described = outputs.get("descriptors")
    return Found(points, None if described is None else described[image][on].double().cpu().numpy())


def _of_people(people: Poses, record: Record | None) -> Found:
    chosen = best(people, record) if record is not None else people.scores.argsort(descending=True)[:5].numpy()
    keep = people.keypoint_scores[chosen] > 0
    return Found(people.keypoints[chosen][keep].double().numpy())


def _add(sums: _Sums, image: int, first: Picture, pair: Pair, here: Found, there: Found) -> None:
    size, other = first.shape[:2], pair.second.shape[:2]
    both = repeatability.in_both(here, there, pair.homography, size, other)
    for measure, (top, bottom) in (repeatability.sums(both) | matching.sums(both)).items():
        sums[pair.kind, pair.strength, measure].append((image, top, bottom))
    error = matching.homography_error(here, there, pair.homography, size)
    if not np.isnan(error):
        for eps in EPSILONS:
            sums[pair.kind, pair.strength, f"homography@{eps:g}"].append((image, float(error <= eps), 1.0))


def _under(sums: _Sums, draws: Draws) -> dict[tuple[str, float, str], Values]:
    return {key: _values(rows, draws) for key, rows in sums.items()}


def _ratio(sums: _Sums, kind: str, measure: str, draws: Draws) -> Values:
    """Of all strengths of a kind together."""
    return _values([row for (k, _, m), rows in sums.items() if (k, m) == (kind, measure) for row in rows], draws)


def _values(rows: Sequence[tuple[int, float, float]], draws: Draws) -> Values:
    image, top, bottom = (np.array(column) for column in zip(*rows, strict=True))
    ratio = Ratios.by_image(["x"], image, draws.counts.shape[1], top[:, None], bottom[:, None])
    return draws.ratios(ratio)["x"]
