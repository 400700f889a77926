"""The parts and limbs that heatmaps and part affinity fields are about: those of a skeleton, and derived ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from armature.errors import ConfigError
from armature.structures import Skeleton

Pair = tuple[int, int]


#: What configs may say of limbs: pairs of part names, "dense", or None.
Limbs = Sequence[Sequence[str]] | str | None


@dataclass(frozen=True)
class Parts:
    """P parts, the skeleton's K keypoints first, and E limbs between them.

    Attributes:
        names: P names. keypoints: K.
        sources: of each derived part, the keypoints whose mean it is.
        limbs: E pairs of parts; a field points from the first to the second.
        flip: ``flip[i]`` is the part that ``i`` becomes in a mirror.
        limb_flip: the same for limbs; itself where the mirrored limb is not among them.
        limb_sign: 1 where the mirrored limb points the same way, -1 where the other way, 0 where there is none.
    """

    names: tuple[str, ...]
    keypoints: int
    sources: tuple[tuple[int, ...], ...]
    limbs: tuple[Pair, ...]
    flip: tuple[int, ...]
    limb_flip: tuple[int, ...]
    limb_sign: tuple[int, ...]

    @property
    def count(self) -> int:
        """P."""
        return len(self.names)

    def place(
        self, keypoints: Float[Tensor, "B M K 2"], labelled: Bool[Tensor, "B M K"]
    ) -> tuple[Float[Tensor, "B M P 2"], Bool[Tensor, "B M P"]]:
        """All parts of people; a derived part is there only if everything it is derived from is labelled."""
        points, on = [keypoints], [labelled]
        for source in self.sources:
            points.append(keypoints[:, :, list(source)].mean(2, keepdim=True))
            on.append(labelled[:, :, list(source)].all(2, keepdim=True))
        return torch.cat(points, 2), torch.cat(on, 2)


def make_parts(
    skeleton: Skeleton,
    derived: Mapping[str, Sequence[str]] | None = None,
    limbs: Limbs = None,
) -> Parts:
    """The parts of a skeleton, with derived ones behind.

    Args:
        derived: name -> keypoints whose mean it is, e.g. ``{neck: [left_shoulder, right_shoulder]}``.
        limbs: pairs of names, in the order in which people are put together; redundant ones are welcome. None takes the
            skeleton's edges and one limb from each derived part to each of its sources; pieces that these leave apart
            are joined by limbs from the first part of all to the first of each piece. ``dense`` adds a redundant limb
            between all parts two of these limbs apart, which keep a person whole where the part between is hidden
            (redundant limbs: Cao et al. 2021, section 4; Kreiss et al. 2019, 5.3).

    Raises:
        ConfigError: names that do not exist or repeat, a derived part without a mirror image, limbs that leave parts
            unconnected (such parts could belong to nobody).
    """
    derived = derived or {}
    names = (*skeleton.keypoints, *derived)
    if len(set(names)) != len(names):
        raise ConfigError(f"derived parts {list(derived)} repeat a keypoint of skeleton '{skeleton.name}'")
    index = {name: i for i, name in enumerate(names)}
    known = {name: i for name, i in index.items() if i < skeleton.count}
    sources = tuple(
        tuple(_find(known, s, f"derived part '{name}'", skeleton) for s in derived[name]) for name in derived
    )
    if limbs is None or limbs == "dense":
        pairs = _default_limbs(skeleton, sources)
        pairs += _two_apart(len(names), pairs) if limbs else ()
    elif isinstance(limbs, str):
        raise ConfigError(f"limbs={limbs}: give null, dense, or pairs of part names")
    else:
        pairs = tuple(_pair(index, limb, skeleton) for limb in limbs)
        if len(pieces := _pieces(len(names), pairs)) > 1:
            apart = [[names[i] for i in piece] for piece in pieces[1:]]
            raise ConfigError(f"limbs leave {apart} unconnected with '{names[0]}'; add limbs, or give limbs=null")
    flip = _flip(skeleton, sources, tuple(derived))
    mirrored = [_mirror(pairs, e, flip) for e in range(len(pairs))]
    return Parts(
        names, skeleton.count, sources, pairs, flip, tuple(i for i, _ in mirrored), tuple(s for _, s in mirrored)
    )


def _find(index: Mapping[str, int], name: str, where: str, skeleton: Skeleton) -> int:
    if name not in index:
        raise ConfigError(
            f"{where} names '{name}', which is no part of skeleton '{skeleton.name}': {list(index)}. "
            "For another skeleton give its own limbs and derived parts (model.limbs, model.derived), or null"
        )
    return index[name]


def _pair(index: Mapping[str, int], limb: Sequence[str], skeleton: Skeleton) -> Pair:
    if isinstance(limb, str) or len(limb) != 2 or limb[0] == limb[1]:
        raise ConfigError(f"limbs must be pairs of two different part names; found {limb!r}")
    return _find(index, limb[0], "limbs", skeleton), _find(index, limb[1], "limbs", skeleton)


def _default_limbs(skeleton: Skeleton, sources: Sequence[Sequence[int]]) -> tuple[Pair, ...]:
    count = skeleton.count + len(sources)
    pairs = [*skeleton.edges, *((skeleton.count + d, s) for d, source in enumerate(sources) for s in source)]
    pieces = _pieces(count, pairs)
    return (*pairs, *((pieces[0][0], piece[0]) for piece in pieces[1:]))


def _two_apart(count: int, pairs: Sequence[Pair]) -> tuple[Pair, ...]:
    beside: list[set[int]] = [set() for _ in range(count)]
    for a, b in pairs:
        beside[a].add(b)
        beside[b].add(a)
    return tuple(
        (a, b) for a in range(count) for b in range(a + 1, count) if b not in beside[a] and beside[a] & beside[b]
    )


def _pieces(count: int, pairs: Sequence[Pair]) -> list[list[int]]:
    """Connected parts, each piece sorted, the piece of part 0 first."""
    piece = list(range(count))
    for a, b in pairs:
        old, new = piece[b], piece[a]
        piece = [new if p == old else p for p in piece]
    groups: dict[int, list[int]] = {}
    for part, p in enumerate(piece):
        groups.setdefault(p, []).append(part)
    return list(groups.values())


def _flip(skeleton: Skeleton, sources: Sequence[Sequence[int]], derived: Sequence[str]) -> tuple[int, ...]:
    sets = [frozenset(source) for source in sources]
    flip = list(skeleton.flip)
    for name, source in zip(derived, sets, strict=True):
        mirror = frozenset(skeleton.flip[i] for i in source)
        if mirror not in sets:
            raise ConfigError(f"derived part '{name}' has no mirror image: derive one from {sorted(mirror)} as well")
        flip.append(skeleton.count + sets.index(mirror))
    return tuple(flip)


def _mirror(limbs: Sequence[Pair], limb: int, flip: Sequence[int]) -> tuple[int, int]:
    a, b = flip[limbs[limb][0]], flip[limbs[limb][1]]
    if (a, b) in limbs:
        return limbs.index((a, b)), 1
    return (limbs.index((b, a)), -1) if (b, a) in limbs else (limb, 0)
