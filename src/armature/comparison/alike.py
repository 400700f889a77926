"""Whether results may be compared at all: the same images, the same people, the same rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from armature import held_out
from armature.comparison.contenders import Contender, restrict
from armature.errors import UserError

#: Lines of the protocol card that must be equal. What belongs to a method (``score_rule``, ``nms``) may differ.
RULES = (
    "skeleton",
    "sigmas",
    "area",
    "max_detections",
    "oks_thresholds",
    "pck_normaliser",
    "pck_pairing",
    "measures",
    "flip_test",
    "multi_scale",
    "boxes",
)
#: Where ``box_source`` says this, people were looked for in boxes that somebody else found.
_GIVEN = "results file"


def unlike(contenders: Sequence[Contender]) -> dict[str, dict[str, list[str]]]:
    """The rules in which protocol cards differ: rule -> value in words -> names of the contenders that have it.

    Contenders without a card (bare results files) are left out: nothing is known of them.
    """
    cards = {c.name: _rules(c) for c in contenders if c.card}
    found: dict[str, dict[str, list[str]]] = {}
    for rule in RULES:
        values: dict[str, list[str]] = {}
        for name, card in cards.items():
            said = card.get(rule)
            values.setdefault("none" if said in (None, {}, []) else str(said), []).append(name)
        if len(values) > 1:
            found[rule] = values
    return found


def check_rules(contenders: Sequence[Contender], allowed: Sequence[str] = ()) -> list[str]:
    """Remarks for the page on rules that differ and were allowed to.

    Raises:
        UserError: rules that differ and were not; names each, its values and whose they are, and how to allow it.
    """
    unknown = [rule for rule in allowed if rule not in RULES]
    if unknown:
        raise UserError(f"compare: allow={unknown}: no such rule; rules: {', '.join(RULES)}")
    differing = unlike(contenders)
    refused = [rule for rule in differing if rule not in allowed]
    if refused:
        lines = [f"  {rule}: {_words(differing[rule])}" for rule in refused]
        raise UserError(
            "compare: these were not judged by the same rules:\n"
            + "\n".join(lines)
            + f"\nJudge them alike, or say allow=[{','.join(refused)}] and read the result with that in mind."
        )
    bare = [c.name for c in contenders if not c.card]
    remarks = [f"Protocols differ in {rule}: {_words(values)}." for rule, values in differing.items()]
    return remarks + ([f"No protocol is known of {', '.join(bare)}: only the evaluation is the same."] if bare else [])


def same_images(contenders: Sequence[Contender], images: str = "same") -> tuple[list[Contender], list[str]]:
    """The contenders on one set of images, and remarks on what was left out.

    Args:
        images: "same" refuses different sets, "common" takes the images that all have.

    Raises:
        UserError: different image sets, or other people on the same images.
    """
    if images not in ("same", "common"):
        raise UserError(f"compare: images={images} is unknown; known: same, common")
    shared = _shared([c.truth.image_ids for c in contenders])
    remarks = []
    if any(len(c.truth.image_ids) != len(shared) for c in contenders):
        counts = ", ".join(f"{c.name}: {len(c.truth.image_ids):,}" for c in contenders)
        if images == "same":
            raise UserError(
                f"compare: the image sets differ ({counts}; {len(shared):,} in all of them). {_divided(contenders)}"
                "Judge them on the same images, or say images=common"
            )
        if not len(shared):
            raise UserError(f"compare: no image is in all of them ({counts})")
        remarks = [f"Compared on the {len(shared):,} images that all have ({counts})."]
        contenders = [restrict(c, shared) for c in contenders]
    for other in contenders[1:]:
        _check_people(contenders[0], other)
    return list(contenders), remarks


def training_remarks(contenders: Sequence[Contender]) -> list[str]:
    """What the runs' training images are, where they are not the same: remarks for the page.

    Runs of which nothing is known (bare results, runs of old versions) are left out.
    """
    parts: dict[tuple[str, int], list[str]] = {}
    for contender in contenders:
        part = held_out.training_part(contender.provenance)
        if part is not None:
            parts.setdefault(part, []).append(contender.name)
    if len(parts) < 2:
        return []
    listing = _words({f"{count:,} ({digest[:8]})": names for (digest, count), names in parts.items()})
    return [f"These were not trained on the same images: {listing}."]


def _divided(contenders: Sequence[Contender]) -> str:
    """The sentence that says how the contenders' data were divided, where that differs; "" otherwise."""
    ways: dict[str, list[str]] = {}
    for contender in contenders:
        if (words := held_out.in_words(contender.provenance)) is not None:
            ways.setdefault(words, []).append(contender.name)
    return f"Their data were divided in different ways: {_words(ways)}. " if len(ways) > 1 else ""


def _rules(contender: Contender) -> dict[str, Any]:
    source = str(contender.card.get("box_source", ""))
    return contender.card | {"boxes": source if source.startswith(_GIVEN) else "its own"}


def _words(values: dict[str, list[str]]) -> str:
    return "; ".join(f"{value} ({', '.join(names)})" for value, names in values.items())


def _shared(sets: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    shared = sets[0]
    for other in sets[1:]:
        shared = np.intersect1d(shared, other)
    return shared


def _check_people(first: Contender, other: Contender) -> None:
    """Raises if two contenders' annotations of the same images are not the same."""
    a, b = first.truth, other.truth
    for what in ("image", "visibility", "keypoints", "areas", "crowd"):
        x, y = getattr(a, what), getattr(b, what)
        if x.shape != y.shape or not np.allclose(x, y, atol=1e-6):
            raise UserError(
                f"compare: {first.name} and {other.name} were judged against different annotations of the same images "
                f"({len(a):,} and {len(b):,} people; '{what}' differs); judge them against the same file"
            )
