"""The data of a run from a folder in any format that is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from armature.data import recognising
from armature.data.datamodule import KeypointData
from armature.data.groups import shared_fields
from armature.data.labels.form import Labels
from armature.data.labels.records import MARGIN, digest, make_records, regions
from armature.data.pictures import PictureSource
from armature.data.split import Split
from armature.errors import ConfigError, DataError
from armature.structures import Skeleton


class LabelledPictures(PictureSource):
    """Pictures of a labelled data set and the people in them whose points are those of a skeleton.

    Args:
        chosen: indices of ``labels.images``. categories: indices of ``labels.categories`` whose people are taken.
        margin: of boxes that the data lack; see ``labels.records``. links: allow links out of the folder.
        segments: regions of records are those of everybody, not of crowds only.

    Raises:
        DataError: points that cannot be matched to the skeleton, or frames of a video.
    """

    def __init__(
        self,
        labels: Labels,
        chosen: Sequence[int],
        skeleton: Skeleton,
        categories: Sequence[int],
        margin: float = MARGIN,
        links: bool = False,
        segments: bool = False,
    ) -> None:
        images = [labels.images[i] for i in chosen]
        if any(image.load is not None for image in images):
            raise DataError(
                f"{labels.root}: its pictures are frames of a video; write them as files first: "
                "armature data convert from=... to=FOLDER to_format=coco"
            )
        records = make_records(labels, images, skeleton, categories, margin)
        kept = [[p for p in i.people if p.category in categories and (p.labelled or p.box is not None)] for i in images]
        self._images = images
        self._outlined = {n: people for n, people in enumerate(kept) if any(p.crowd or segments for p in people)}
        self._everybody = segments
        super().__init__(labels.root, records, skeleton, digest(records), links)

    def fields(self) -> dict[str, list[str | None]]:
        """What the labels say of the images; see ``groups.Described``."""
        images = [{**i.extra, "video": i.video, "split": i.split} for i in self._images]
        people = [[{**p.extra, **({"track": p.track} if p.track else {})} for p in i.people] for i in self._images]
        return shared_fields(images, people)

    def regions(self, index: int) -> tuple[tuple[NDArray[Any], ...], ...]:
        """Polygons of the crowds of a record, or of everybody; () where it has none."""
        people = self._outlined.get(index)
        return regions(people, self.records[index].size, self._everybody) if people is not None else ()


def folder_data(
    path: str,
    skeleton: Skeleton,
    format: str | None = None,
    options: Mapping[str, Any] | None = None,
    category: str | None = None,
    own_splits: bool = True,
    split: Split | None = None,
    margin: float = MARGIN,
    links: bool = False,
    segments: bool = False,
    flip_test: bool = True,
    **others: Any,
) -> KeypointData:
    """Training and validation data from a folder.

    The data's own splits divide it: "train" is learned from, "val" judged by, "test" where there is no "val". Without
    both, or with ``own_splits: false``, ``split`` divides all pictures.

    Args:
        path: a folder, or one file of labels. format: None recognises it. options: of the format.
        category: see ``choose``. margin, links, segments: see ``LabelledPictures``.
        flip_test: for the config's own references; not used here. others: see ``KeypointData``.

    Raises:
        DataError, ConfigError: the data cannot be read, or there is nothing to divide them by.
    """
    labels = recognising.read_once(path, format, options)
    categories = choose(labels, category)[0]
    parts = splits(labels) if own_splits else None
    if parts is not None:
        train, val = (LabelledPictures(labels, part, skeleton, categories, margin, links, segments) for part in parts)
        return KeypointData(train=train, val=val, **others)
    if split is None and others.get("fold") is None:
        raise ConfigError(f"{path}: has no splits of its own; give split@data.split=fraction or fold")
    whole = LabelledPictures(labels, range(len(labels.images)), skeleton, categories, margin, links, segments)
    return KeypointData(source=whole, split=split, **others)


def choose(labels: Labels, name: str | None = None) -> tuple[list[int], list[int]]:
    """The categories whose people are used, and those with other keypoints that are left out, as indices.

    Categories with the same keypoints go together (species, say). Of several kinds the one with most labelled people is
    taken, or the category of this name alone.

    Raises:
        DataError: no category has keypoints, or none has that name.
    """
    counts = [0] * len(labels.categories)
    for image in labels.images:
        for person in image.people:
            counts[person.category] += person.labelled
    pointed = [i for i, c in enumerate(labels.categories) if c.keypoints]
    listing = ", ".join(f"'{labels.categories[i].name}' ({len(labels.categories[i].keypoints)})" for i in pointed)
    if not pointed or not any(counts):
        raise DataError(f"{labels.root}: nobody in it has labelled keypoints")
    if name is not None:
        own = [i for i in pointed if labels.categories[i].name == name]
        if not own:
            raise DataError(f"{labels.root}: no category '{name}' with keypoints; it has {listing}")
        return own, [i for i in pointed if i not in own]
    kinds: dict[tuple[str, ...], list[int]] = {}
    for i in pointed:
        kinds.setdefault(labels.categories[i].keypoints, []).append(i)
    best = max(kinds.values(), key=lambda own: sum(counts[i] for i in own))
    return best, [i for i in pointed if i not in best]


def splits(labels: Labels) -> tuple[list[int], list[int]] | None:
    """Indices of the images to learn from and to judge by, by the data's own splits; None where they lack one."""
    places: dict[str, list[int]] = {}
    for i, image in enumerate(labels.images):
        places.setdefault(image.split, []).append(i)
    judged = places.get("val") or places.get("test")
    return (places["train"], judged) if judged and "train" in places else None
