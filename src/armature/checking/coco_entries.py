"""A COCO keypoint file read tolerantly: what the reader would refuse becomes a finding, the rest is kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from armature.checking.findings import ERROR, WARNING, Finding
from armature.checking.people import Rows
from armature.checking.subject import LabelFile, Picture, Subject
from armature.data.coco_file import Entry, image_problems, is_int, load_json, person_problems
from armature.errors import DataError
from armature.structures import Skeleton

#: The skeleton of a category: its names, limbs as pairs of indices, and flip order where the file gives one.
Choose = Callable[[Entry, int], Skeleton]


class CocoReader:
    """Adds the pictures and people of one file to a subject.

    Args:
        name: of a picture, from the file's ``file_name``: as the data call it.
        wanted: only people of this category (name or id); None takes all that have keypoints.
    """

    def __init__(
        self,
        subject: Subject,
        file: Path,
        images: Path,
        split: str,
        skeleton: Choose,
        name: Callable[[str], str] = str,
        wanted: str | int | None = None,
    ) -> None:
        self.subject, self.file, self.images, self.split = subject, file, images, split
        self.skeleton, self.name, self.wanted = skeleton, name, wanted
        self.places: dict[int, int] = {}
        self.sizes: dict[int, list[int]] = {}

    def read(self) -> None:
        """Everything of the file that can be used at all."""
        try:
            content = load_json(self.file)[0]
        except DataError as error:
            self._say("unreadable_labels", str(error), "restore the file, or export it again")
            return
        lists = [self._list(content, field) for field in ("images", "annotations", "categories")]
        self.number = len(self.subject.files)
        self.subject.files.append(LabelFile(self.file, content, self.split))
        self._images(lists[0])
        self._people(lists[1], self._categories(lists[2]))

    def _list(self, content: Entry, field: str) -> list[Any]:
        found = content.get(field)
        if isinstance(found, list):
            return found
        self._say("unreadable_labels", f"{self.file.name}: field '{field}' is no list", "export the file again")
        return []

    def _images(self, entries: list[Any]) -> None:
        names: dict[str, int] = {}
        for i, entry in enumerate(entries):
            if problems := image_problems(i, entry):
                for problem in problems:
                    self._say("invalid_image", f"{self.file.name}: {problem}", "mend the entry")
                continue
            if entry["id"] in self.places:
                what = f"image id {entry['id']} is given twice: to {entry['file_name']} too, whose people are unclear"
                self._say("repeated_id", what, "give every image an id of its own", entry["file_name"])
                continue
            name = self.name(entry["file_name"].replace("\\", "/"))
            self.places[entry["id"]] = len(self.subject.pictures)
            self.sizes[entry["id"]] = [entry["height"], entry["width"]]
            path = self.images / entry["file_name"]
            size = (entry["height"], entry["width"])
            self.subject.pictures.append(Picture(name, path, size, self.split, entry["id"]))
            if name in names:
                what = f"is listed twice, as image {names[name]} and {entry['id']}: its people are divided between both"
                self._say("picture_listed_twice", what, "join the two entries", name, WARNING)
            names.setdefault(name, entry["id"])

    def _categories(self, entries: list[Any]) -> list[Entry]:
        """The categories that can be used; names of keypoints that are none are left out."""
        sound: list[Entry] = []
        for place, entry in enumerate(entries):
            name = f"{self.file.name}: categories[{place}]"
            if not isinstance(entry, dict) or not is_int(entry.get("id")):
                self._say("invalid_category", f"{name} has no id that is a whole number", "mend the entry")
                continue
            points = entry.get("keypoints") or []
            if not isinstance(points, list) or not all(isinstance(n, str) for n in points):
                what = f"{name} ({entry.get('name', entry['id'])}): field 'keypoints' must be a list of names"
                self._say("invalid_category", what, "mend the entry")
                entry = {**entry, "keypoints": []}
            elif len(set(points)) < len(points):
                what = f"{name} ({entry.get('name', entry['id'])}): field 'keypoints' has a name twice"
                self._say("invalid_category", what, "give every point a name of its own")
            sound.append(entry)
        return sound

    def _people(self, entries: list[Any], categories: list[Entry]) -> None:
        known = {c["id"]: c for c in categories}
        rows: dict[int, Rows] = {}
        seen: set[Any] = set()
        for place, a in enumerate(entries):
            if not self._sound(a, place, known, seen):
                continue
            if a["category_id"] not in rows:
                rows[a["category_id"]] = Rows(*self._kind(known[a["category_id"]], a, entries))
            self._person(rows[a["category_id"]], a, place)
        for key, own in rows.items():
            wanted = self.wanted is None or self.wanted in (key, known[key].get("name"))
            if len(own) and own.skeleton.count and wanted:
                self.subject.groups.append(own.group())

    def _kind(self, category: Entry, first: Entry, entries: list[Any]) -> tuple[str, Skeleton]:
        count = len(category.get("keypoints") or ())
        if not count:
            own = (a for a in entries if isinstance(a, dict) and a.get("category_id") == category["id"])
            count = next((len(a["keypoints"]) // 3 for a in own if isinstance(a.get("keypoints"), list)), 0)
        return str(category.get("name", category["id"])), self.skeleton(category, count)

    def _sound(self, a: Any, place: int, known: dict[int, Entry], seen: set[Any]) -> bool:
        """Whether it is known whose picture and which category an annotation belongs to; says it where not."""
        if not isinstance(a, dict):
            self._say("invalid_annotation", f"{self.file.name}: annotations[{place}] is no object", "remove it")
            return False
        name = f"annotation {a.get('id', f'number {place}')}"
        ident = a["id"] if is_int(a.get("id")) else None
        if not is_int(a.get("image_id")) or a["image_id"] not in self.sizes:
            what = f"{name}: field 'image_id' is {a.get('image_id')!r}, which no image has"
            self._say(
                "orphan_annotation", _unnamed(what, ident), "add the image, or remove the annotation", instance=ident
            )
            return False
        picture = self.subject.pictures[self.places[a["image_id"]]].file
        if not is_int(a.get("category_id")) or a["category_id"] not in known:
            what = f"{name}: field 'category_id' is {a.get('category_id')!r}, which no category has"
            self._say("invalid_annotation", _unnamed(what, ident), "name its category", picture, instance=ident)
            return False
        if ident is not None and ident in seen:
            self._say(
                "repeated_id",
                "its id is given twice",
                "give every one an id of its own",
                picture,
                instance=ident,
            )
        seen.add(ident)
        return True

    def _person(self, rows: Rows, a: Entry, place: int) -> None:
        size = self.sizes[a["image_id"]]
        count = rows.skeleton.count
        picture, ident = self.places[a["image_id"]], _whole(a.get("id"))
        wrong = person_problems(a, size, count)
        box = _numbers(a.get("bbox"), 4)
        for problem in wrong:
            if "field 'bbox'" not in problem or box is None:  # a check of its own speaks of negative sides
                name = self.subject.pictures[picture].file
                instance = ident if ident >= 0 else None
                self._say("invalid_annotation", _unnamed(problem, instance), "mend the entry", name, instance=instance)
        sound = not any("'keypoints'" in problem for problem in wrong)
        points = None if not sound else _numbers(a.get("keypoints"), 3 * count)
        raw = np.zeros((count, 3)) if points is None else points.reshape(-1, 3)
        flags = raw[:, 2].astype(np.int64)
        corners = None if box is None else np.concatenate([box[:2], box[:2] + box[2:]])
        area = None if any("'area'" in p for p in wrong) else _numbers([a.get("area")], 1)
        rows.add(
            picture,
            np.where(flags[:, None] > 0, raw[:, :2] + 0.5, 0.0),
            flags,
            corners,
            None if area is None else float(area[0]),
            bool(a.get("iscrowd", 0)),
            ident,
            _whole(a.get("num_keypoints")) if sound else -1,
            (self.number, place),
        )

    def _say(
        self, kind: str, what: str, fix: str, picture: str = "", severity: str = ERROR, instance: int | None = None
    ) -> None:
        self.subject.found.append(Finding(severity, kind, what, fix, picture, instance, split=self.split))


def _unnamed(problem: str, ident: int | None) -> str:
    """A problem of an annotation without its name, where a finding has that besides."""
    return problem if ident is None else problem.removeprefix(f"annotation {ident}: ")


def _whole(value: Any) -> int:
    """A whole number as arrays hold it; -1 for what is none."""
    return int(value) if is_int(value) and 0 <= value < 2**62 else -1


def _numbers(value: Any, count: int) -> np.ndarray | None:
    if not isinstance(value, list) or len(value) != count:
        return None
    if not all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in value):
        return None
    found = np.array(value, float)
    return found if np.isfinite(found).all() else None
