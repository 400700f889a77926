"""Which figure stands for a skeleton."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from armature.data.synthetic import animal, generic, hand, person
from armature.data.synthetic.rig import Builder, Pose, Rig, View
from armature.structures import Skeleton

#: Tried in this order; the first that has all the points is drawn.
_KNOWN: tuple[tuple[Callable[[], Builder], Sequence[Pose], View, float, dict[str, bool]], ...] = (
    (person.builder, person.POSES, person.VIEW, person.REACH, {"shadow": True}),
    (hand.builder, hand.POSES, hand.VIEW, hand.REACH, {"handed": True}),
    (animal.mouse, animal.MOUSE_POSES, animal.MOUSE_VIEW, animal.MOUSE_REACH, {}),
    (animal.quadruped, animal.POSES, animal.VIEW, animal.REACH, {"shadow": True}),
)


def rig(skeleton: Skeleton) -> Rig:
    """The figure that has all points of the skeleton, found by their names; else one grown from its edges."""
    for make, poses, view, reach, traits in _KNOWN:
        builder = make()
        if builder.knows(skeleton.keypoints):
            return builder.build(skeleton.keypoints, poses, view, reach, **traits)
    return generic.grow(skeleton)
