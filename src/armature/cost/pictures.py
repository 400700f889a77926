"""Pictures with a given number of people, the same for every architecture."""

from __future__ import annotations

from armature.data.dataset import KeypointDataset, Sample, collate
from armature.data.synthetic import Synthetic
from armature.errors import UserError
from armature.structures import Batch, Skeleton

#: Height of a standing figure as a share of the picture's smaller side: small enough for twenty, and the same for one.
SCALE = (0.25, 0.35)
#: Pictures that are drawn in search of ones in which everybody can be seen.
_DRAWN = 200


def crowd(skeleton: Skeleton, canvas: tuple[int, int], people: int, batch: int = 1) -> Batch:
    """``batch`` drawn pictures, float in [0, 1], with ``people`` labelled figures in each; always the same ones.

    Args:
        canvas: (H, W).

    Raises:
        UserError: no such pictures: the canvas is too small for so many people, or their number is below 0.
    """
    if people < 0:
        raise UserError(f"people={people}: pictures show 0 people or more")
    source = Synthetic(
        skeleton, _DRAWN, canvas, vary=False, people=(people, people), scale=SCALE, crowd=0.0, occluders=0.0
    )
    dataset, found = KeypointDataset(source, canvas), list[Sample]()
    for index in range(_DRAWN):
        sample = dataset[index]
        if int((sample.people.visibility > 0).any(1).sum()) == people:
            found.append(sample)
        if len(found) == batch:
            break
    else:
        raise UserError(
            f"on a canvas of {canvas[0]}x{canvas[1]} only {len(found)} of {_DRAWN} drawn pictures show all {people} "
            f"people, {batch} are needed; ask for fewer people=[...] or a larger data.canvas=[H,W]"
        )
    pictures = collate(found)
    pictures.images = pictures.images.float().div_(255)
    return pictures
