"""The AP that each kind of error costs: what an oracle that fixes it would give back (Ronchi & Perona 2017, section 3).

What fixing means
- ``miss``, ``swap``, ``inversion``, ``jitter``: keypoints with that label are moved to the annotated place. An oracle
  without constants: any other place (the KS of an average good point, or the edge of "good") would need one, and the
  figure would change with it. So the gains are upper bounds, all of the same sort.
- ``imprecision``: the same for good keypoints, which lie off by less than KS 0.85 but count at strict thresholds. The
  paper leaves it in its last bars; here it is named.
- ``background``: predictions that show nobody (OKS below ``FOUND`` with all people of the image, ignored ones included)
  are taken away.
- ``score``: predictions get as score their OKS with the person that they show, the highest OKS choosing first, and
  those that are left over get 0. This is the maximal OKS with any person, after a suppression of duplicates that knows
  the truth. The paper's soft-NMS is not applied: it has a constant of its own, and also lowers the scores of people who
  stand close together, so that errors of the suppression would be mixed in; without any suppression a duplicate would
  rank beside its original, and fixing scores could lower AP.
- ``false_negative``: people whom no prediction has found at OKS ``FOUND`` are taken off the number to be found.

Predictions beyond the judged number of an image stay left out. Everything is matched and accumulated anew, by ``oks``.
Fixing all together gives AP 1 (short of annotated people whose points coincide).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from armature.evaluation import oks
from armature.evaluation.results import Predictions, Truth
from armature.evaluation.taxonomy import FOUND, KINDS, Taxonomy, find, find_closest

#: Label of the keypoints that each fix moves to the annotated place.
MOVED = {"miss": "miss", "swap": "swap", "inversion": "inversion", "jitter": "jitter", "imprecision": "good"}
#: All fixes in the order in which they are added up. Scores come after the background, which costs nothing once every
#: score is right (it would rank last); imprecision comes last, being no error.
FIXES = ("miss", "swap", "inversion", "jitter", "background", "score", "false_negative", "imprecision")
NUMBERS = ("AP", "AP50", "AP75")
#: The fixes of errors at keypoints.
ERRORS = ("miss", "swap", "inversion", "jitter")


def impact(
    truth: Truth, predictions: Predictions, matches: oks.Matches, taxonomy: Taxonomy, sigmas: NDArray[np.float64]
) -> dict[str, float]:
    """What each fix adds to AP, AP50 and AP75; NaN where there is nobody to find.

    ``errors/AP_gain/<fix>``: that fix alone. ``errors/AP_gain_in_turn/<fix>``: on top of all that stand before it in
    ``FIXES``; these and AP add up to 1. A fix alone can cost AP where it lets a prediction take another's person.

    Args:
        truth, predictions, sigmas: what ``matches`` and ``taxonomy`` were made from.
    """
    oracle = Oracle(truth, predictions, matches, taxonomy, sigmas)
    before = oracle(())
    alone = [oracle((fix,)) for fix in FIXES]
    in_turn = [before, alone[0], *(oracle(FIXES[: count + 1]) for count in range(1, len(FIXES)))]
    gains = {f"errors/{n}_gain/{fix}": alone[i][n] - before[n] for n in NUMBERS for i, fix in enumerate(FIXES)}
    return gains | {
        f"errors/{n}_gain_in_turn/{fix}": in_turn[i + 1][n] - in_turn[i][n]
        for n in NUMBERS
        for i, fix in enumerate(FIXES)
    }


def impact_by_keypoint(
    truth: Truth,
    predictions: Predictions,
    matches: oks.Matches,
    taxonomy: Taxonomy,
    sigmas: NDArray[np.float64],
    groups: Mapping[str, Sequence[int]],
) -> dict[str, float]:
    """``errors/AP_gain/keypoints/<name>``: what AP gains if every error (not imprecision) at these keypoints is fixed.

    Args:
        groups: indices of keypoints by name. The other arguments are those of ``impact``.
    """
    oracle = Oracle(truth, predictions, matches, taxonomy, sigmas)
    before = oracle(())["AP"]
    return {
        f"errors/AP_gain/keypoints/{name}": oracle(ERRORS, members)["AP"] - before for name, members in groups.items()
    }


@dataclass(frozen=True)
class Oracle:
    """AP, AP50 and AP75 had certain errors not been made; the arguments are those of ``impact``."""

    truth: Truth
    predictions: Predictions
    matches: oks.Matches
    taxonomy: Taxonomy
    sigmas: NDArray[np.float64]

    def __call__(self, fixes: Iterable[str], keypoints: Sequence[int] | None = None) -> dict[str, float]:
        """The three numbers with these of ``FIXES`` made, all on the same predictions.

        Args:
            keypoints: those that may be moved; None for all.
        """
        fixes = set(fixes)
        better = self._move(fixes, keypoints)
        matches = self.matches if better is self.predictions else self._match(better)
        if "score" in fixes:
            matches = self._match(self._rescore(better, matches))
        if "background" in fixes:
            matches = _without_background(matches)
        people = matches.people[:1] - self._missed(matches) if "false_negative" in fixes else matches.people[:1]
        # no people of other sizes: only "all" is asked for
        people = np.concatenate([people, np.zeros_like(matches.people[1:])])
        numbers = oks.accumulate(replace(matches, people=people)).numbers()
        return {name: numbers[name] for name in NUMBERS}

    def _match(self, predictions: Predictions) -> oks.Matches:
        most = int(self.matches.ranked.rank.max(initial=0)) + 1
        return oks.match(self.truth, predictions, self.sigmas, most)

    def _move(self, fixes: set[str], keypoints: Sequence[int] | None) -> Predictions:
        """The predictions with the keypoints of those kinds at their annotated places."""
        kinds = [KINDS.index(label) for fix, label in MOVED.items() if fix in fixes]
        wrong = np.isin(self.taxonomy.labels, kinds)
        if keypoints is not None:
            wrong &= np.isin(np.arange(wrong.shape[1]), list(keypoints))
        person, point = np.nonzero(wrong)
        if not len(person):
            return self.predictions
        moved = self.predictions.keypoints.copy()
        moved[self.taxonomy.prediction[person], point] = self.truth.keypoints[person, point]
        return replace(self.predictions, keypoints=moved)

    def _rescore(self, predictions: Predictions, matches: oks.Matches) -> Predictions:
        """The predictions with the scores that rank them best; those that were not judged stay behind all others."""
        found, similarity = find_closest(self.truth, matches)
        scores = np.full(len(predictions), -1.0)
        scores[matches.ranked.source] = 0.0
        scores[matches.ranked.source[found[found >= 0]]] = similarity[found >= 0]
        return replace(predictions, scores=scores)

    def _missed(self, matches: oks.Matches) -> NDArray[np.int64]:
        """(I,) people of each image that nobody has found. None of them is a hit at any higher threshold."""
        missed = ~self.truth.ignored & (find(self.truth, matches) < 0)
        return np.bincount(self.truth.image[missed], minlength=len(self.truth.image_ids))


def _without_background(matches: oks.Matches) -> oks.Matches:
    near = np.zeros(len(matches.ranked.source), bool)
    near[matches.pairs.prediction[matches.pairs.oks >= FOUND]] = True
    ignored = matches.ignored.copy()
    ignored[:, ~near] = np.iinfo(ignored.dtype).max
    return replace(matches, ignored=ignored)
