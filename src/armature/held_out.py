"""Whether what a run is judged by was held out when it was trained, by what its provenance.json says of its data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def trained_on(provenance: Mapping[str, Any], judged: Mapping[str, Any]) -> int:
    """How many of the images that a run is judged by it was trained on, as far as is known.

    Image ids are compared only within one source that was divided; two sources can use the same ids for other
    pictures, and then only whole parts are compared, by their digests.

    Args:
        provenance: of the run. judged: ``KeypointData.split_description()`` of the data it is judged by now.
    """
    trained = provenance.get("data", {}).get("split", {})
    if trained.get("source") and trained.get("source") == judged.get("source"):
        return len(set(trained.get("train_ids", ())) & set(judged.get("val_ids", ())))
    before, now = trained.get("digests", {}).get("train"), judged.get("digests", {}).get("val")
    return int(judged.get("val", 0)) if before is not None and before == now else 0


def warning(provenance: Mapping[str, Any], judged: Mapping[str, Any]) -> str | None:
    """What to say before such images are judged; None where there are none."""
    count = trained_on(provenance, judged)
    if not count:
        return None
    return (
        f"{count:,} of the {judged['val']:,} images to judge by are images that this run was trained on: the numbers "
        "say how well it remembers them, not how well it finds keypoints"
    )


def training_part(provenance: Mapping[str, Any]) -> tuple[str, int] | None:
    """Digest and number of the images that a run was trained on; None where nothing is known."""
    split = provenance.get("data", {}).get("split", {})
    digest = split.get("digests", {}).get("train")
    return None if digest is None else (digest, int(split.get("train", 0)))


def in_words(provenance: Mapping[str, Any]) -> str | None:
    """How a run's data were divided, for messages; None where nothing is known or the data came divided."""
    split = provenance.get("data", {}).get("split", {})
    by = f" by {split['by']}" if split.get("by") else ""
    if split.get("kind") == "fold":
        return f"fold {split['fold']} of {split['folds']}{by}, seed {split['seed']}"
    if split.get("kind") == "fraction" and "share" in split:
        return f"{split['share']:g} held out{by}, seed {split['seed']}"
    return None
