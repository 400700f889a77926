"""Skeletons that contradict their own names, and sigmas that make OKS meaningless."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from armature.checking import skeleton_choice
from armature.checking.check import Check
from armature.checking.findings import NOTE, WARNING, Finding
from armature.checking.subject import Subject
from armature.checking.typos import typos
from armature.skeletons import mirrored_name
from armature.structures import Skeleton

#: Sigmas of published skeletons lie between 0.004 (faces of COCO-WholeBody) and 0.107 (hips).
LEAST, MOST = 0.003, 0.2
#: What left and right of one pair may differ by.
PAIR = 1.5
#: A pairing of points without names that differs from a known one at so large a share of them at most is nearly that.
NEARLY = 0.34


def flips(subject: Subject) -> Iterator[Finding]:
    """Mirror pairs that are not what the names say."""
    for skeleton in _skeletons(subject):
        names = skeleton.keypoints
        for i, name in enumerate(names):
            mirror = mirrored_name(name)
            own = names[skeleton.flip[i]]
            if mirror == own or (mirror != name and mirror not in names and own == name):
                continue
            if mirror == name and own != name and mirrored_name(own) == own:
                continue  # names that do not tell sides, paired by somebody who knows
            what = f"becomes '{own}' in a mirror; by its name it becomes '{mirror}'"
            yield Finding(WARNING, "flip_pairs", what, "correct flip_pairs of the skeleton", keypoint=name)
        slips = {g.skeleton.keypoints[k] for g in subject.groups if g.skeleton is skeleton for k in typos(g)}
        lonely = [n for n in names if n not in slips and mirrored_name(n) != n and mirrored_name(n) not in names]
        if lonely and len(lonely) < len(names):
            what = f"{', '.join(lonely[:5])}: a side without the other"
            yield Finding(NOTE, "flip_pairs", what, "mirrored pictures call it by the same name: train with flip 0")


def nearly_known(subject: Subject) -> Iterator[Finding]:
    """Points without names whose mirror pairs are those of a known skeleton but for a few."""
    for skeleton in _skeletons(subject):
        if skeleton_choice.named(skeleton.keypoints) or skeleton.flip == tuple(range(skeleton.count)):
            continue
        known = [s for s in skeleton_choice.project() if s.count == skeleton.count]
        others = {s.name: [i for i, f in enumerate(s.flip) if f != skeleton.flip[i]] for s in known}
        name, points = min(others.items(), key=lambda item: len(item[1]), default=("", []))
        if points and len(points) <= NEARLY * skeleton.count:
            owner = "COCO's people" if name == "coco_person" else f"those of {name}"
            what = f"flip_idx is {name}'s except at points {_ranges(points)}"
            what += f"; if these are {owner}, correct data.yaml"
            yield Finding(WARNING, "nearly_known", what, f"give it {name}'s flip_idx, or the points names (kpt_names)")


def _ranges(points: list[int]) -> str:
    """``1-4, 7``."""
    starts = [p for p in points if p - 1 not in points]
    ends = [p for p in points if p + 1 not in points]
    return ", ".join(f"{a}-{b}" if b > a else str(a) for a, b in zip(starts, ends, strict=True))


def sigmas(subject: Subject) -> Iterator[Finding]:
    """Sigmas that are absent, all the same, out of the range of measured ones, or different for left and right."""
    for skeleton in _skeletons(subject):
        if skeleton.sigmas is None:
            what = f"skeleton '{skeleton.name}' has no sigmas: OKS and AP are taken with that of COCO's wrists"
            yield Finding(NOTE, "sigmas", what, "armature data sigmas measures some; compare pixel errors and PCK")
            continue
        values = np.array(skeleton.sigmas)
        if len(values) > 2 and np.ptp(values) == 0:
            what = f"all {len(values)} sigmas of '{skeleton.name}' are {values[0]:.3g}: a placeholder, not measured"
            yield Finding(WARNING, "sigmas", what, "armature data sigmas measures some")
        for k in np.flatnonzero((values < LEAST) | (values > MOST)):
            what = f"its sigma is {values[k]:.3g}; measured ones lie between 0.004 and 0.11"
            yield Finding(WARNING, "sigmas", what, "is it 2 sigma, or a variance?", keypoint=skeleton.keypoints[k])
        for i, f in enumerate(skeleton.flip):
            if i < f and max(values[i], values[f]) > PAIR * min(values[i], values[f]):
                what = f"its sigma is {values[i]:.3g}, that of its mirror {skeleton.keypoints[f]} {values[f]:.3g}"
                yield Finding(WARNING, "sigmas", what, "give both the same", keypoint=skeleton.keypoints[i])


def _skeletons(subject: Subject) -> list[Skeleton]:
    return list({id(group.skeleton): group.skeleton for group in subject.groups}.values())


CHECKS = (
    Check("flip_pairs", "mirror pairs against names", flips),
    Check("nearly_known", "mirror pairs nearly of a known skeleton", nearly_known),
    Check("sigmas", "sigmas of OKS", sigmas),
)
