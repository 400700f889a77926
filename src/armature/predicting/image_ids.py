"""Image ids of an annotation file, for results that are to be judged against it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from armature.errors import DataError
from armature.evaluation import coco_json
from armature.predicting.frames import Source
from armature.predicting.sources import Pictures


def of_annotations(file: str | Path, source: Source) -> Mapping[str, int]:
    """Picture name -> image id of a COCO annotation file, for the pictures of a source.

    Raises:
        DataError: no such file, no COCO annotations, two images of one name, or a picture that it does not list.
    """
    content, where = coco_json.read(file, dict)
    images = content.get("images", [])
    found = {str(image["file_name"]): int(image["id"]) for image in images}
    if not found or len(found) != len(images):
        raise DataError(f"{where}: needs images with a file_name and an id each, no name twice; found {len(images)}")
    asked = [source.named(path) for path in source.files] if isinstance(source, Pictures) else [source.name]
    if strange := [name for name in asked if name not in found]:
        raise DataError(
            f"{where} does not list {len(strange)} of {len(asked)} pictures of the source, first {strange[0]}"
        )
    return found
