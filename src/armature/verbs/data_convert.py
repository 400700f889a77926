"""``armature data convert``: labelled data from one format into another, and what was lost on the way."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from armature.data import recognising
from armature.data.labels.form import Labels
from armature.errors import ConfigError, DataError

SUMMARY = "write labelled data in another format, and say what that cannot hold"
EXAMPLES = """
armature data convert from=my_yolo_folder to=as_coco to_format=coco
armature data convert from=export.json to=as_yolo to_format=yolo pictures=link
armature data convert from=labels from_format=csv +from_options.offset=0.5 to=as_coco to_format=coco lossless=true
"""


def run(config: DictConfig, overrides: list[str], command: list[str]) -> int:
    """Writes a new folder, whole or not at all; 0 when it is there.

    Raises:
        UserError: the data cannot be read or held, or there is something at the target already.
    """
    recognising.get(config.to_format)
    source, name = config["from"], config.from_format
    if name is None:
        name, reason = recognising.recognise(source)
        print(f"{source}: {reason} (from_format={name})", flush=True)
    options = OmegaConf.to_container(config.from_options, resolve=True)
    labels = _only(recognising.read(source, name, options), config.category)  # type: ignore[arg-type]
    _refuse_inside(Path(config.to), labels.root)
    people = sum(len(image.people) for image in labels.images)
    print(f"  {len(labels.images):,} pictures, {people:,} people, categories: {_kinds(labels)}", flush=True)
    gone = recognising.write(labels, config.to_format, config.to, config.pictures, config.lossless)
    print(f"written to {config.to} as {recognising.get(config.to_format).TITLE}")
    if gone:
        print("it cannot hold, and so lost:\n" + "\n".join(f"  {line}" for line in gone))
    else:
        print("nothing was lost")
    return 0


def _only(labels: Labels, category: str | None) -> Labels:
    """The people of one category; all for None."""
    if category is None:
        return labels
    place = next((i for i, c in enumerate(labels.categories) if c.name == str(category)), None)
    if place is None:
        raise DataError(f"{labels.root}: no category '{category}'; it has {_kinds(labels)}")
    images = tuple(
        dataclasses.replace(
            image, people=tuple(dataclasses.replace(p, category=0) for p in image.people if p.category == place)
        )
        for image in labels.images
    )
    return dataclasses.replace(labels, categories=(labels.categories[place],), images=images)


def _kinds(labels: Labels) -> str:
    return ", ".join(f"'{c.name}' ({len(c.keypoints)} keypoints)" for c in labels.categories) or "none"


def _refuse_inside(target: Path, root: Path) -> None:
    """A new folder among the old pictures would be read as a part of the old data next time."""
    if target.absolute().is_relative_to(root.absolute()):
        raise ConfigError(f"to={target} lies inside the data that are read, {root}; name a folder elsewhere")
