"""Bad pictures: what noise, blur, weather, compression and covered joints cost.

As in COCO-C: the performance under corruption, P[c, s], is measured for each kind c at each strength s; its mean is
``mPC`` (mean performance under corruption), and ``mPC / P`` of the clean pictures is ``rPC`` (relative performance
under corruption); ``drop`` is 1 - rPC. P is AP by default.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from armature.errors import ConfigError, DataError
from armature.evaluation.bootstrap import Interval
from armature.structures import Poses
from armature.suites import strips
from armature.suites.accuracy import accuracy, judge_of, usable
from armature.suites.corruption_kinds import KINDS, OCCLUSIONS, STRENGTHS, change
from armature.suites.drawn import Draws, Values, mean, relative
from armature.suites.result import Curve, Result
from armature.suites.scenes import Scene, View, identity
from armature.suites.subject import Subject, look

DEFAULT = (
    *("gaussian_noise", "shot_noise", "defocus_blur", "motion_blur", "snow", "fog"),
    *("brightness", "contrast", "pixelate", "jpeg_compression"),
)


class Corruptions:
    """Every kind at every strength, judged against the labels.

    Args:
        kinds: of ``corruption_kinds.KINDS``. occlusions: of ``OCCLUSIONS``; they are reported, and are no part of mPC.
        strengths: 1 to 5. performance: AP, PCK@0.1 or error/mean.
        resamples, seed, shown: as in ``Equivariance``.

    Raises:
        ConfigError: a kind, strength or performance that there is not.
    """

    def __init__(
        self,
        kinds: Sequence[str] = DEFAULT,
        occlusions: Sequence[str] = OCCLUSIONS,
        strengths: Sequence[int] = STRENGTHS,
        performance: str = "AP",
        resamples: int = 1000,
        seed: int = 0,
        shown: int = 2,
    ) -> None:
        for name, chosen, known in (
            ("kinds", kinds, tuple(KINDS)),
            ("occlusions", occlusions, OCCLUSIONS),
            ("strengths", strengths, STRENGTHS),
            ("performance", [performance], ("AP", "PCK@0.1", "error/mean")),
        ):
            if unknown := [value for value in chosen if value not in known]:
                raise ConfigError(f"suite.{name}: there is no {unknown[0]}; known: {', '.join(map(str, known))}")
        self.kinds, self.occlusions, self.strengths = list(kinds), list(occlusions), [int(s) for s in strengths]
        self.performance, self.resamples, self.seed, self.shown = performance, resamples, seed, shown

    def card(self) -> dict[str, object]:
        """The settings, for the protocol card."""
        return dict(vars(self))

    def views(self, subject: Subject) -> Iterator[View]:
        """Every kind at every strength."""
        for kind in (*self.kinds, *self.occlusions):
            for strength in self.strengths:
                yield View(kind, float(strength), identity(), change(kind, strength, subject.skeleton))

    def __call__(self, subject: Subject, scenes: Sequence[Scene]) -> Result:
        """The result of a subject that finds named keypoints.

        Raises:
            ConfigError: its points have no names. DataError: nobody is labelled.
        """
        subject.named("corruptions")
        records, judge = [scene.record for scene in scenes], judge_of(subject.skeleton)
        if not usable(records):
            raise DataError(f"suite corruptions: nobody is labelled in these {len(scenes)} pictures; give other data")
        draws = Draws.of(len(scenes), self.resamples, self.seed)
        views = [View("clean", 0.0, identity()), *self.views(subject)]
        values: dict[tuple[str, float], Values] = {}
        examples: list[list[Poses]] = []
        for view in views:
            found = look(subject, scenes, view, self.seed)
            values[view.kind, view.strength] = accuracy(found, records, judge, draws, [self.performance])[
                self.performance
            ]
            examples.append(found[: self.shown])
        return self._result(subject, scenes, draws, values, views, examples)

    def _result(
        self,
        subject: Subject,
        scenes: Sequence[Scene],
        draws: Draws,
        values: dict[tuple[str, float], Values],
        views: list[View],
        examples: list[list[Poses]],
    ) -> Result:
        clean = values["clean", 0.0]
        numbers: dict[str, Interval] = {}
        curves = []
        for kind in (*self.kinds, *self.occlusions):
            own = [values[kind, float(s)] for s in self.strengths]
            numbers |= self._three(kind, clean, mean(own), draws)
            strengths = (0.0, *(float(s) for s in self.strengths))
            points = tuple(draws.interval(v) for v in (clean, *own))
            curves.append(Curve(kind, self.performance, "strength", strengths, points))
        whole = mean([mean([values[kind, float(s)] for s in self.strengths]) for kind in self.kinds])
        lead = self._three("", clean, whole, draws) if self.kinds else {}
        result = Result(
            "corruptions", subject.name, {"clean": draws.interval(clean), **lead, **numbers}, card=self.card()
        )
        result.curves = curves
        drawn = [v for v in views if v.strength in (0.0, float(max(self.strengths)))]
        pictures = [next(e for v, e in zip(views, examples, strict=True) if v is view) for view in drawn]
        result.pictures = strips.kinds(scenes[: self.shown], drawn, pictures, subject.skeleton, self.seed)
        return result

    def _three(self, kind: str, clean: Values, corrupted: Values, draws: Draws) -> dict[str, Interval]:
        """mPC, rPC and drop, of one kind or of all."""
        end = f"/{kind}" if kind else ""
        share = relative(corrupted, clean)
        named = {"mPC": corrupted, "rPC": share, "drop": 1 - share}
        if kind:
            named.pop("rPC")
        return {f"{name}{end}": draws.interval(value) for name, value in named.items()}
