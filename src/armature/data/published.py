"""A source from the files of a published data set, which lie where its authors put them."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from armature.data import recognising
from armature.data.folder import LabelledPictures, choose
from armature.data.labels import files
from armature.data.labels.form import LabelledImage, Labels
from armature.data.labels.records import MARGIN
from armature.errors import ConfigError, DataError
from armature.structures import Skeleton

#: Pictures that are looked for to choose among several folders.
_TRIED = 5


def published(
    labels: str | Sequence[str],
    format: str,
    skeleton: Skeleton,
    pictures: str | Sequence[str] | None = None,
    options: Mapping[str, Any] | None = None,
    part: str | None = None,
    category: str | None = None,
    margin: float = MARGIN,
    links: bool = False,
    segments: bool = False,
) -> LabelledPictures:
    """The pictures and people of one part of a data set.

    Args:
        labels: files of labels, or folders of them, in one format; several are taken together, in their order.
        pictures: the folder that names of pictures are relative to, or several, of which the first counts that has
            them; None is the folder of each entry of ``labels``.
        options: of the format. part: only pictures of this split ("train", ...) of files that have several.
        category, margin, links, segments: see ``folder``.

    Raises:
        DataError: files that are not there or cannot be read, or nothing left of them.
    """
    entries = [labels] if isinstance(labels, str) else list(labels)
    if not entries:
        raise ConfigError("published data: labels must name at least one file; found none")
    read = [recognising.read(entry, format, _options(format, options, pictures)) for entry in entries]
    if part is not None:
        read = [replace(r, images=tuple(i for i in r.images if i.split == part)) for r in read]
    folders = [_folder(pictures, r) for r in read]
    whole = _together(read, folders)
    if not whole.images:
        raise DataError(f"{', '.join(entries)}: no picture {f'of split {part!r} ' if part else ''}is in them")
    chosen = choose(whole, category)[0]
    return LabelledPictures(whole, range(len(whole.images)), skeleton, chosen, margin, links, segments)


def _options(format: str, given: Mapping[str, Any] | None, pictures: str | Sequence[str] | None) -> dict[str, Any]:
    """The options of a format, and the folder of pictures where it asks for that."""
    asked = "pictures" in inspect.signature(recognising.get(format).read).parameters
    return {**({"pictures": pictures} if asked and isinstance(pictures, str) else {}), **dict(given or {})}


def _folder(pictures: str | Sequence[str] | None, labels: Labels) -> Path:
    """Where the pictures are: a reader may have found them by itself."""
    given = [] if pictures is None else [pictures] if isinstance(pictures, str) else list(pictures)
    known = [labels.root, *map(Path, given)]
    names = [image.file for image in labels.images[:_TRIED]]
    there = (folder for folder in known if names and all((folder / name).is_file() for name in names))
    return next(there, known[min(1, len(given))])


def _together(read: Sequence[Labels], folders: Sequence[Path]) -> Labels:
    """All labels as one set below the folder that all pictures have in common; categories are told apart by content."""
    root = Path(os.path.commonpath([folder.absolute() for folder in folders]))
    categories = list(dict.fromkeys(replace(c, ident=None) for labels in read for c in labels.categories))
    images: list[LabelledImage] = []
    for labels, folder in zip(read, folders, strict=True):
        lead = os.path.relpath(folder.absolute(), root)
        places = [categories.index(replace(c, ident=None)) for c in labels.categories]
        images += [_placed(image, "" if lead == "." else f"{lead}/", root, places) for image in labels.images]
    return Labels(root, tuple(categories), tuple(images))


def _placed(image: LabelledImage, lead: str, root: Path, places: Sequence[int]) -> LabelledImage:
    file = lead + image.file
    people = tuple(replace(one, category=places[one.category]) for one in image.people)
    # Formats that say nothing of sizes have looked for the picture beside the labels.
    size = image.size if max(image.size) else files.size_of(root / file)
    return replace(image, file=file, size=size, people=people)
