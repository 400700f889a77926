"""Image ids of an annotation file, for results that are to be judged against it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from armature.errors import DataError
from armature.evaluation import coco_json


def of_annotations(file: str | Path) -> Mapping[str, int]:
    """Picture name -> image id of a COCO annotation file.

    Raises:
        DataError: no such file, no COCO annotations, or two images of one name; names it.
    """
    content, where = coco_json.read(file, dict)
    images = content.get("images", [])
    found = {str(image["file_name"]): int(image["id"]) for image in images}
    if not found or len(found) != len(images):
        raise DataError(f"{where}: needs images with a file_name and an id each, no name twice; found {len(images)}")
    return found
