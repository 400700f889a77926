"""What a COCO keypoint file may look like: reading it, and saying what is wrong with it by entry and field."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from armature.data.pictures import climbs_out, problems_message
from armature.errors import DataError

#: One object of a file's lists.
Entry = dict[str, Any]


def load_json(path: str | Path) -> tuple[dict[str, Any], str]:
    """The object in a json file and the sha256 of the file.

    Raises:
        DataError: missing, not JSON, or no object; names the file and the place.
    """
    try:
        data = Path(path).read_bytes()
        content = json.loads(data)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except json.JSONDecodeError as error:
        raise DataError(f"{path}: is not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not JSON: not UTF-8 text at byte {error.start}") from error
    if not isinstance(content, dict):
        raise DataError(f"{path}: expected an object with images, annotations and categories; found a {_kind(content)}")
    return content, hashlib.sha256(data).hexdigest()


def check_entries(file: str | Path, content: dict[str, Any]) -> tuple[list[Entry], list[Entry]]:
    """Images and annotations of a file, with sound ids and references; raises a DataError that lists what is not."""
    for field in ("images", "annotations", "categories"):
        if not isinstance(content.get(field), list):
            found = f"a {_kind(content[field])}" if field in content else "nothing"
            raise DataError(f"{file}: field '{field}' must be a list; found {found}")
    images, annotations = content["images"], content["annotations"]
    problems = [p for i, image in enumerate(images) for p in image_problems(i, image)]
    problems += _repeats("images", [i.get("id") for i in images if isinstance(i, dict)])
    for i, a in enumerate(annotations):
        missing = [f for f in ("image_id", "category_id") if f not in a] if isinstance(a, dict) else ["everything"]
        problems += [f"annotations[{i}]: field '{field}' is missing" for field in missing]
    refuse(file, problems)
    known = {i["id"] for i in images}
    lost = [a for a in annotations if a["image_id"] not in known]
    problems = [f"annotation {a.get('id')}: field 'image_id' is {a['image_id']!r}, which no image has" for a in lost]
    problems += _repeats("annotations", [a["id"] for a in annotations if "id" in a])
    refuse(file, problems)
    return images, annotations


def image_problems(place: int, image: Any) -> list[str]:
    """What is wrong with the entry of a picture, in words; [] for a sound one. ``place``: among the entries."""
    if not isinstance(image, dict):
        return [f"images[{place}]: expected an object, found a {_kind(image)}"]
    needed = ("id", "file_name", "width", "height")
    problems = [f"images[{place}]: field '{f}' is missing" for f in needed if f not in image]
    if problems:
        return problems
    name = f"images[{place}] (id {image['id']!r})"
    if not is_int(image["id"]):
        problems.append(f"{name}: field 'id' must be a whole number; found {image['id']!r}")
    for field in ("width", "height"):
        if not is_int(image[field]) or image[field] <= 0:
            problems.append(f"{name}: field '{field}' must be a whole number above 0; found {image[field]!r}")
    if not isinstance(image["file_name"], str) or not image["file_name"]:
        problems.append(f"{name}: field 'file_name' must be text; found {image['file_name']!r}")
    elif climbs_out(image["file_name"]):
        problems.append(f"{name}: field 'file_name' leaves the folder of pictures: {image['file_name']!r}")
    return problems


def check_people(file: str | Path, images: list[Entry], people: list[Entry], count: int) -> None:
    """Passes in silence if the people of one category have sound fields; ``count`` points each."""
    sizes = {i["id"]: [i["height"], i["width"]] for i in images}
    refuse(file, [p for a in people for p in person_problems(a, sizes[a["image_id"]], count)])


def person_problems(a: Entry, size: list[int], count: int) -> list[str]:
    """What is wrong with the fields of an annotation of ``count`` points in a picture of ``size`` [H, W], in words."""
    name = f"annotation {a.get('id')}"
    problems = []
    bare = a.get("iscrowd") or a.get("num_keypoints") == 0 or count == 0
    if "keypoints" not in a and not bare:
        problems.append(f"{name}: field 'keypoints' is missing")
    elif "keypoints" in a and (bad := _wrong_points(a["keypoints"], count)):
        problems.append(f"{name}: field 'keypoints' {bad}")
    box: Any = a.get("bbox")
    if not _finite(box) or len(box) != 4 or min(box[2:]) < 0:
        problems.append(f"{name}: field 'bbox' must be x, y, width, height, finite; found {box!r}")
    if a.get("area") is not None and (not _finite([a["area"]]) or a["area"] < 0):
        problems.append(f"{name}: field 'area' must be a finite number, 0 or more; found {a['area']!r}")
    segment = a.get("segmentation")
    if a.get("iscrowd") and segment and (bad := wrong_segment(segment, size)):
        problems.append(f"{name}: field 'segmentation' {bad}")
    return problems


def _wrong_points(points: Any, count: int) -> str | None:
    if not isinstance(points, list) or len(points) != 3 * count:
        found = f"{len(points)} numbers" if isinstance(points, list) else f"a {_kind(points)}"
        return f"must have 3 numbers for each of {count} points, {3 * count}; found {found}"
    if not _finite(points):
        return f"must be finite numbers; found {next(p for p in points if not _finite([p]))!r}"
    flags = [v for v in points[2::3] if v not in (0, 1, 2)]
    return f"has the flag {flags[0]!r}; known are 0, 1 and 2" if flags else None


def wrong_segment(segment: Any, size: list[int]) -> str | None:
    """What keeps a segment from being one in a picture of ``size`` [H, W], in words; None if nothing does."""
    if isinstance(segment, list):
        sound = all(_finite(p) and len(p) >= 6 and len(p) % 2 == 0 for p in segment)
        return None if sound else "must be polygons of finite x, y"
    if not isinstance(segment, dict) or not isinstance(segment.get("counts"), (list, str)):
        return "must be polygons or an RLE with 'size' and 'counts'"
    if segment.get("size") != size:
        return f"is an RLE of size {segment.get('size')}, the image has {size} (height, width)"
    if isinstance(segment["counts"], list) and not all(is_int(n) and n >= 0 for n in segment["counts"]):
        return "is an RLE whose counts are not whole numbers"
    if isinstance(segment["counts"], list) and sum(segment["counts"]) != size[0] * size[1]:
        return f"is an RLE of {sum(segment['counts'])} pixels, the image has {size[0] * size[1]}"
    return None


def _repeats(field: str, ids: list[Any]) -> list[str]:
    seen: set[Any] = set()
    twice = [i for i in ids if isinstance(i, (int, str)) and (i in seen or seen.add(i))]  # type: ignore[func-returns-value]
    return [f"{field}: id {i!r} is given more than once" for i in dict.fromkeys(twice)]


def refuse(file: str | Path, problems: list[str]) -> None:
    """Raises a DataError with the first few problems, if there are any."""
    if problems:
        raise DataError(problems_message(file, problems))


def _finite(numbers: Any) -> bool:
    return isinstance(numbers, list) and all(
        isinstance(n, (int, float)) and not isinstance(n, bool) and -1e12 < n < 1e12 for n in numbers
    )


def is_int(value: Any) -> bool:
    """Whether a JSON value is a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


def _kind(value: Any) -> str:
    return {dict: "JSON object", list: "list", str: "text", type(None): "null"}.get(type(value), type(value).__name__)
