"""A sample as it comes about: the picture of the file, and what each part of the data set and the augmentation adds.

Which parts there are is asked of the objects: those of a data set are what tells it from one that was made without its
optional parameters; those of a batch are the steps of the augmentation.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from armature.data.dataset import KeypointDataset, collate
from armature.data.sample import Sample
from armature.data.source import Picture
from armature.reports.overlays import People, people_of_record
from armature.structures import Batch

#: Parts that are made of steps.
_COLLECTIONS = (Mapping, list, tuple)


class Stage(NamedTuple):
    """A picture with its people, in its own px, and what was done to it last.

    ``same``: the part was not drawn for this sample, or does not change it.
    """

    name: str
    image: Picture
    people: People
    same: bool = False


def of_loader(dataset: KeypointDataset, draw: tuple[int, int]) -> tuple[list[Stage], Sample]:
    """The stages of one sample up to the batch, first the picture of the file, and the sample as training gets it.

    Everything drawn follows from the data set's seed and from ``draw``, (pass, index): the last stage is the sample.
    """
    epoch, index = draw
    picture, record = dataset.source.read(index, epoch)
    found = [Stage("as read", picture, people_of_record(record))]
    sample = dataset[draw]
    for name, variant in _variants(dataset):
        shown = variant[draw]
        same = len(found) > 1 and np.array_equal(shown.image, found[-1].image)
        found.append(Stage(name, shown.image, people_of_sample(shown), same))
    return found, sample


def people_of_sample(sample: Sample) -> People:
    """The people of a sample as they are drawn."""
    return People(sample.people.keypoints, sample.people.visibility, sample.people.boxes)


def _variants(dataset: KeypointDataset) -> Iterator[tuple[str, KeypointDataset]]:
    """The data set with none of its optional parts, then with one more at a time; in the end it is the data set."""
    bare = _bare(dataset)
    if bare is None:  # made in a way that its constructor does not tell
        yield type(dataset).__name__, dataset
        return
    yield "on the canvas", bare
    growing = copy.copy(bare)
    for attribute, value in _parts(dataset, bare):
        for step, upto in _growing(value):
            setattr(growing, attribute, upto)
            yield f"+ {_called(step)}", copy.copy(growing)


def _bare(dataset: KeypointDataset) -> KeypointDataset | None:
    """The same made without optional parameters."""
    parameters = inspect.signature(type(dataset)).parameters
    needed = [name for name, p in parameters.items() if p.default is not None and p.default != ()]
    if any(not hasattr(dataset, name) for name in needed):
        return None
    return type(dataset)(**{name: getattr(dataset, name) for name in needed})


def _parts(dataset: KeypointDataset, bare: KeypointDataset) -> list[tuple[str, Any]]:
    """By attribute what a data set has and a bare one has not; collections, which work on the others' result, last."""
    without = vars(bare)
    differing = [(name, value) for name, value in vars(dataset).items() if _is_part(value, without.get(name))]
    return sorted(differing, key=lambda part: isinstance(part[1], _COLLECTIONS))


def _is_part(value: Any, without: Any) -> bool:
    return bool(value) and not without if isinstance(value, _COLLECTIONS) else type(value) is not type(without)


def _growing(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each step of a part, and the part with the steps up to it; a part that is no collection is one step."""
    if isinstance(value, Mapping):
        items = list(value.items())
        yield from ((step, dict(items[:count])) for count, (_, step) in enumerate(items, 1))
    elif isinstance(value, _COLLECTIONS):
        yield from ((step, value[:count]) for count, step in enumerate(value, 1))
    else:
        yield value, value


def _called(part: Any) -> str:
    return type(part).__name__


def of_batch(augmentation: nn.Module | None, sample: Sample, seed: int) -> tuple[list[Stage], Batch]:
    """The stages of the batch that a single sample is, and the batch as the network gets it.

    Args:
        augmentation: images -> images, or None. seed: of what is drawn.
    """
    batch = collate([sample])
    images = batch.images.float() / 255
    batch.images = images
    if augmentation is None:
        return [], batch
    batch.images = _augmented([augmentation], images, seed)[-1]
    steps = _steps(augmentation)
    states = _augmented([step for _, step in steps], images, seed)
    if not torch.equal(states[-1].clamp(0, 1), batch.images):  # more happens in it than its steps
        steps, states = [(_called(augmentation), augmentation)], [batch.images]
    people, found = people_of_sample(sample), []
    for (name, _), before, after in zip(steps, [images, *states], states, strict=False):
        found.append(Stage(f"+ {name}", _shown(after[0]), people, bool(torch.equal(before, after))))
    return found, batch


@torch.no_grad()
def _augmented(steps: Sequence[nn.Module], images: Tensor, seed: int) -> list[Tensor]:
    """Images after each step, everything drawn from the seed."""
    torch.manual_seed(seed)
    states = []
    for step in steps:
        images = step(images)
        states.append(images)
    return states


def _steps(augmentation: nn.Module) -> Sequence[tuple[str, nn.Module]]:
    """The parts of which a module is a sequence, or the module itself."""
    inner = augmentation if isinstance(augmentation, nn.Sequential) else getattr(augmentation, "steps", None)
    if not isinstance(inner, (nn.Sequential, nn.ModuleList)):
        return [(_called(augmentation), augmentation)]
    return [(_called(step), step) for step in inner]


def _shown(image: Tensor) -> Picture:
    return np.ascontiguousarray((image.clamp(0, 1).permute(1, 2, 0) * 255).round().byte().numpy())
