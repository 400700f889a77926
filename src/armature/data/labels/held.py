"""What a format can hold and what it cannot, counted by kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator

from armature.data.labels.form import LabelledImage, Labels, Person

#: Everything that labels can say beside where visible keypoints are, and how often they say it.
KINDS: dict[str, Callable[[Labels], int]] = {
    "hidden": lambda labels: _people(labels, lambda p: (p.visibility == 1).sum()),
    "unlabelled": lambda labels: _people(labels, lambda p: p.labelled and (p.visibility == 0).sum()),
    "boxes": lambda labels: _people(labels, lambda p: p.box is not None),
    "areas": lambda labels: _people(labels, lambda p: p.area is not None),
    "crowds": lambda labels: _people(labels, lambda p: p.crowd),
    "polygons": lambda labels: _people(labels, lambda p: bool(p.polygons)),
    "masks": lambda labels: _people(labels, lambda p: p.mask is not None),
    "scores": lambda labels: _people(labels, lambda p: p.scores is not None),
    "tracks": lambda labels: _people(labels, lambda p: p.track is not None),
    "annotation ids": lambda labels: _people(labels, lambda p: p.ident is not None),
    "bare": lambda labels: _people(labels, lambda p: not p.labelled),
    "several": lambda labels: _images(labels, lambda i: len(i.people) > 1),
    "empty": lambda labels: _images(labels, lambda i: not i.people),
    "splits": lambda labels: _images(labels, lambda i: i.split),
    "image ids": lambda labels: _images(labels, lambda i: i.ident is not None),
    "frames": lambda labels: _images(labels, lambda i: i.video or i.frame is not None),
    "categories": lambda labels: len(labels.categories),
    "names": lambda labels: sum(len(c.keypoints) for c in labels.categories if c.named),
    "edges": lambda labels: sum(len(c.edges) for c in labels.categories),
    "flips": lambda labels: sum(c.flip is not None for c in labels.categories),
    "supercategories": lambda labels: sum(bool(c.supercategory) for c in labels.categories),
    "file notes": lambda labels: len(labels.extra),
}
#: The kinds in words; the number stands before them.
WORDS = {
    "hidden": "points labelled as hidden (they become visible ones)",
    "unlabelled": "unlabelled points of people with others (the people are left out)",
    "boxes": "boxes",
    "areas": "areas",
    "crowds": "crowd flags",
    "polygons": "segments as polygons",
    "masks": "segments as masks",
    "scores": "people's keypoint scores",
    "tracks": "track ids",
    "annotation ids": "annotation ids",
    "bare": "people without labelled keypoints (left out)",
    "several": "pictures with several people",
    "empty": "pictures without people (left out)",
    "splits": "pictures' splits (train, val, test)",
    "image ids": "image ids",
    "frames": "pictures' video and frame number",
    "categories": "category names",
    "names": "keypoint names",
    "edges": "edges of skeletons",
    "flips": "mirror pairs of skeletons",
    "supercategories": "supercategories",
    "file notes": "notes of the file about itself (info, licences)",
}


def lost(labels: Labels, holds: Collection[str]) -> list[str]:
    """What writing in a format that holds these kinds would lose: one line a kind, with its number."""
    lines = [f"{n} {WORDS[k]}" for k, count in KINDS.items() if k not in holds and (n := count(labels))]
    if "extra" not in holds:
        extra = Counter(name for image in labels.images for name in image.extra)
        extra += Counter(name for one in everybody(labels) for name in one.extra)
        lines += [f"{n} further fields '{name}'" for name, n in sorted(extra.items()) if name not in holds]
    return lines


def everybody(labels: Labels) -> Iterator[Person]:
    """All people of all pictures."""
    return (person for image in labels.images for person in image.people)


def _people(labels: Labels, of: Callable[[Person], int | bool]) -> int:
    return sum(int(of(person)) for person in everybody(labels))


def _images(labels: Labels, of: Callable[[LabelledImage], object]) -> int:
    return sum(bool(of(image)) for image in labels.images)
