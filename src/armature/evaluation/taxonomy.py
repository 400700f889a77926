"""What went wrong with each keypoint: jitter, inversion, swap or miss (Ronchi & Perona, ICCV 2017, section 3.1).

Who is judged: predictions find people greedily, best score first, at an OKS of at least ``FOUND`` (as cocoapi matches,
with a lower limit). Every labelled keypoint of a person that was found then gets one label. It compares the predicted
point with four sets of annotated points, in this order, by keypoint similarity KS = exp(-d^2 / (2 area (2 sigma)^2)):

    the person's own keypoint; the same keypoint of the other people; its left/right counterpart of the person itself;
    the counterpart of the other people

The highest KS decides, the first of equals. sigma is that of the keypoint predicted, area that of the person compared.

    good        the highest is the own keypoint, KS > 0.85
    jitter      the highest is the own keypoint, 0.5 <= KS <= 0.85
    inversion   the highest is the person's own counterpart, KS >= 0.5
    swap        the highest is a keypoint or counterpart of another person, KS >= 0.5
    miss        the highest is below 0.5

Decided here: KS of exactly 0.85 is jitter, of exactly 0.5 no miss. Labelled means visibility 1 or 2, for the point
judged and for those compared with. Other people are all of the image with labelled keypoints, but no crowds: a crowd's
area is that of many people and would make everything similar to it. Ignored people are not judged themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from armature.errors import UserError
from armature.evaluation.grouping import steps
from armature.evaluation.oks import Matches
from armature.evaluation.ratios import Ratios
from armature.evaluation.results import Predictions, Truth
from armature.evaluation.similarity import Pairs

#: The labels of keypoints; ``labels`` holds indices into them, ``NONE`` where there is nothing to judge.
KINDS = ("good", "jitter", "inversion", "swap", "miss")
NONE = -1
#: What a prediction did: found a person; showed one whom a better score had found; showed nobody, or ignored people.
ROLES = ("found", "duplicate", "background", "ignored")
#: OKS from which a prediction shows a person at all.
FOUND = 0.1
#: KS from which a point shows a keypoint, and above which it is as good as another annotator's.
SHOWN, EXACT = 0.5, 0.85
#: The name of all keypoints together in ``Taxonomy.counts``.
TOTAL = "all"

Groups = Mapping[str, Sequence[int]]


@dataclass(frozen=True)
class Taxonomy:
    """The label of every keypoint and the role of every prediction. D counts the predictions that were judged.

    Attributes:
        names: K keypoint names. images: I.
        image: (G,) image index of each person. judged: (G,) bool, False for ignored people.
        labels: (G, K) index into ``KINDS``; ``NONE`` where not labelled or the person was not found.
        prediction: (G,) index into the predictions of the one that found the person, -1 for none.
        outranked: (G,) bool, found by a prediction that is worse (in OKS) than one of the person's duplicates.
        roles: (D,) index into ``ROLES``. role_image: (D,) image index.
    """

    names: tuple[str, ...]
    images: int
    image: NDArray[np.int64]
    judged: NDArray[np.bool_]
    labels: NDArray[np.int8]
    prediction: NDArray[np.int64]
    outranked: NDArray[np.bool_]
    roles: NDArray[np.int8]
    role_image: NDArray[np.int64]

    def counts(self, groups: Groups | None = None) -> dict[str, dict[str, int]]:
        """Keypoints of each kind: of ``"all"``, of each keypoint by its name, of each group by its name.

        Args:
            groups: keypoint indices by group name.

        Raises:
            UserError: a group without keypoints, with an unknown index, or with a keypoint's name.
        """
        columns = self._columns(groups)
        each = np.stack([(self.labels == kind).sum(0) for kind in range(len(KINDS))], 1)
        return {
            name or TOTAL: dict(zip(KINDS, each[chosen].sum(0).tolist(), strict=True))
            for name, chosen in columns.items()
        }

    def ratios(self, groups: Groups | None = None) -> Ratios:
        """The shares as sums for each image, so that images can be reweighted.

        ``errors/<kind>``, ``errors/<kind>/<keypoint or group>``: of the labelled keypoints of people found.
        ``errors/false_negative``: people that were not found. ``errors/score``: people found for whom a worse
        prediction outscored a better one. ``errors/background``, ``errors/duplicate``: of the predictions judged.

        Raises:
            UserError: as ``counts``.
        """
        return Ratios.join([self._keypoint_ratios(groups), self._people_ratios(), self._prediction_ratios()])

    def numbers(self, groups: Groups | None = None) -> dict[str, float]:
        """The shares of ``ratios`` by flat name, every image counted once; NaN where there is nobody to judge."""
        return self.ratios(groups).numbers()

    def _columns(self, groups: Groups | None) -> dict[str, list[int]]:
        """Keypoint indices by name: "" for all, then each keypoint, then each group."""
        count = len(self.names)
        for name, chosen in (groups or {}).items():
            if name in (*self.names, TOTAL) or not len(chosen) or not all(0 <= k < count for k in chosen):
                raise UserError(
                    f"keypoint group '{name}' is {list(chosen)}; a group needs a name that is neither a keypoint's nor "
                    f"'{TOTAL}', and at least one index from 0 to {count - 1}"
                )
        own = {name: [k] for k, name in enumerate(self.names)}
        return {"": list(range(count))} | own | {name: list(chosen) for name, chosen in (groups or {}).items()}

    def _keypoint_ratios(self, groups: Groups | None) -> Ratios:
        columns = self._columns(groups)
        member = np.zeros((len(self.names), len(columns)))
        for column, chosen in enumerate(columns.values()):
            member[chosen, column] = 1
        rows = np.flatnonzero(self.prediction >= 0)
        labels = self.labels[rows]
        top = np.stack([(labels == kind) @ member for kind in range(len(KINDS))], 2)
        top = top.reshape(len(rows), len(columns) * len(KINDS))
        bottom = np.repeat((labels != NONE) @ member, len(KINDS), axis=1)
        names = [f"errors/{kind}" + f"/{name}" * bool(name) for name in columns for kind in KINDS]
        return Ratios.by_image(names, self.image[rows], self.images, top, bottom)

    def _people_ratios(self) -> Ratios:
        found = self.judged & (self.prediction >= 0)
        top = np.stack([self.judged & ~found, self.outranked], 1)
        bottom = np.stack([self.judged, found], 1)
        return Ratios.by_image(("errors/false_negative", "errors/score"), self.image, self.images, top, bottom)

    def _prediction_ratios(self) -> Ratios:
        kinds = ("background", "duplicate")
        top = np.stack([self.roles == ROLES.index(kind) for kind in kinds], 1)
        names = [f"errors/{kind}" for kind in kinds]
        return Ratios.by_image(names, self.role_image, self.images, top, np.ones_like(top))


def diagnose(
    truth: Truth, predictions: Predictions, matches: Matches, sigmas: NDArray[np.float64], flip: Sequence[int]
) -> Taxonomy:
    """Labels the keypoints of everybody who was found, by this module's table.

    Args:
        truth, predictions, sigmas: what ``matches`` was made from. flip: (K,) the left/right counterpart of each
            keypoint, itself where it has none.

    Raises:
        UserError: ``flip`` is no such order of the truth's keypoints, or there is not one sigma for each.
    """
    sigmas, order = np.asarray(sigmas, np.float64), _check_flip(flip, len(truth.names))
    if len(sigmas) != len(truth.names):
        raise UserError(f"{len(sigmas)} sigmas for {len(truth.names)} keypoints; the two must be equal")
    found = find(truth, matches)
    people = np.flatnonzero(found >= 0)
    prediction = np.full(len(truth), -1)
    prediction[people] = matches.ranked.source[found[people]]
    labels = np.full(truth.visibility.shape, NONE, np.int8)
    labels[people] = _label(truth, predictions.keypoints[prediction[people]], people, sigmas, order)
    outranked, roles = _rank_errors(truth, matches, found)
    whole = truth.names, len(truth.image_ids), truth.image, ~truth.ignored
    return Taxonomy(*whole, labels, prediction, outranked, roles, matches.ranked.image)


def find(truth: Truth, matches: Matches) -> NDArray[np.int64]:
    """(G,) which judged prediction (index into ``matches.ranked``) found each person at OKS ``FOUND``, -1 for none.

    The best score takes first, and takes the free person with the highest OKS, the last of equals, as in cocoapi.
    """
    shown = _shown(truth, matches.pairs)
    order = np.lexsort((-shown.person, -shown.oks, shown.prediction))
    return _take(shown, order, matches.ranked.image, len(truth))


def find_closest(truth: Truth, matches: Matches) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """(G,) who would have found each person had the scores been right (the highest OKS takes first), and its OKS."""
    shown = _shown(truth, matches.pairs)
    image = matches.ranked.image[shown.prediction]
    found = _take(shown, np.lexsort((-shown.oks, image)), matches.ranked.image, len(truth))
    return found, _similarity(shown, found)


def _shown(truth: Truth, pairs: Pairs) -> Pairs:
    """The pairs with people that count, near enough to show them."""
    return pairs.take((pairs.oks >= FOUND) & ~truth.ignored[pairs.person])


def _take(shown: Pairs, order: NDArray[np.int64], image: NDArray[np.int64], people: int) -> NDArray[np.int64]:
    """(G,) prediction of each person where pairs are tried in that order, which must keep images together.

    Args:
        image: (D,) of the predictions.
    """
    found, free = np.full(people, -1), np.ones(len(image), bool)
    for now in steps(image[shown.prediction[order]]):
        prediction, person = shown.prediction[order[now]], shown.person[order[now]]
        made = free[prediction] & (found[person] < 0)
        found[person[made]] = prediction[made]
        free[prediction[made]] = False
    return found


def _similarity(shown: Pairs, found: NDArray[np.int64]) -> NDArray[np.float64]:
    """(G,) OKS of each person with the prediction that found it, 0 for none."""
    oks = np.zeros(len(found))
    made = found[shown.person] == shown.prediction
    oks[shown.person[made]] = shown.oks[made]
    return oks


def _rank_errors(
    truth: Truth, matches: Matches, found: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], NDArray[np.int8]]:
    """(G,) people found by a worse prediction than one that was left over, and (D,) the predictions' roles."""
    pairs = matches.pairs
    near = pairs.prediction[pairs.oks >= FOUND]
    shown = _shown(truth, pairs)
    roles = np.full(len(matches.ranked.source), ROLES.index("background"), np.int8)
    for role, who in (("ignored", near), ("duplicate", shown.prediction), ("found", found[found >= 0])):
        roles[who] = ROLES.index(role)
    left_over = roles[shown.prediction] == ROLES.index("duplicate")
    better = left_over & (shown.oks > _similarity(shown, found)[shown.person]) & (found[shown.person] >= 0)
    outranked = np.zeros(len(truth), bool)
    outranked[shown.person[better]] = True
    return outranked, roles


def _label(
    truth: Truth,
    points: NDArray[np.float64],
    people: NDArray[np.int64],
    sigmas: NDArray[np.float64],
    flip: NDArray[np.int64],
) -> NDArray[np.int8]:
    """(M, K) labels of the points (M, K, 2) that stand for these M people."""
    row, other = _others(truth, people)
    same = np.arange(len(flip))
    candidates = []
    for order in (same, flip):
        own = _keypoint_similarity(truth, points, people, sigmas, order)
        among = _keypoint_similarity(truth, points[row], other, sigmas, order)
        candidates += [own, _highest(among, row, len(people))]
    similarity = np.stack(candidates)
    closest, highest = similarity.argmax(0), similarity.max(0, initial=-1.0)
    own_kind = np.where(highest > EXACT, KINDS.index("good"), KINDS.index("jitter"))
    kind = np.choose(closest, [own_kind, KINDS.index("swap"), KINDS.index("inversion"), KINDS.index("swap")])
    kind[highest < SHOWN] = KINDS.index("miss")
    kind[truth.visibility[people] == 0] = NONE
    return kind.astype(np.int8)


def _others(truth: Truth, people: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Index into ``people`` (ascending) and another person of its image whom its keypoints could show."""
    able = np.flatnonzero(~truth.crowd & (truth.visibility > 0).any(1))
    first, end = (np.searchsorted(truth.image[able], truth.image[people], side=side) for side in ("left", "right"))
    count = end - first
    row = np.repeat(np.arange(len(people)), count)
    other = able[np.arange(len(row)) - np.repeat(np.cumsum(count) - count - first, count)]
    kept = other != people[row]
    return row[kept], other[kept]


def _keypoint_similarity(
    truth: Truth,
    points: NDArray[np.float64],
    people: NDArray[np.int64],
    sigmas: NDArray[np.float64],
    order: NDArray[np.int64],
) -> NDArray[np.float64]:
    """(M, K) KS of points (M, K, 2) with the people's keypoints in another order; -1 where those are not labelled."""
    error = ((points - truth.keypoints[people][:, order]) ** 2).sum(2)
    error /= (sigmas * 2) ** 2
    error /= (truth.areas[people] + np.spacing(1))[:, None]
    return np.where(truth.visibility[people][:, order] > 0, np.exp(error * -0.5), -1.0)


def _highest(values: NDArray[np.float64], row: NDArray[np.int64], rows: int) -> NDArray[np.float64]:
    """(rows, K) the highest of the values of each row, -1 where it has none."""
    highest = np.full((rows, values.shape[1]), -1.0)
    if len(row):
        first = np.flatnonzero(np.concatenate([[True], row[1:] != row[:-1]]))
        highest[row[first]] = np.maximum.reduceat(values, first)
    return highest


def _check_flip(flip: Sequence[int], count: int) -> NDArray[np.int64]:
    order = np.asarray(flip, np.int64)
    if sorted(order.tolist()) != list(range(count)) or (order[order] != np.arange(count)).any():
        raise UserError(
            f"flip must name the counterpart of each of the {count} keypoints, and each the other's; "
            f"found {order.tolist()}"
        )
    return order
