"""Which figure stands for a skeleton."""

from __future__ import annotations

from armature.data.synthetic import person
from armature.data.synthetic.rig import Rig
from armature.structures import Skeleton


def rig(skeleton: Skeleton) -> Rig:
    """The figure that has all points of the skeleton, found by their names; else one grown from its edges."""
    names = skeleton.keypoints
    known = person.builder()
    if known.knows(names):
        return known.build(names, person.POSES, person.VIEW, person.REACH)
    raise NotImplementedError(skeleton.name)
