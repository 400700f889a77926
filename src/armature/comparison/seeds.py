"""Runs that differ in nothing but their seed are one result with several draws; the others get short names."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from armature.comparison.contenders import Contender
from armature.errors import UserError

#: Config keys that do not change what a run is: where it is written, what it is called, how it is watched.
_ASIDE = ("seed", "name", "runs", "resume", "logger", "verify", "expected", "pictures", "data.seed")
#: Names longer than this are cut in the middle.
_LONGEST = 48


@dataclass(frozen=True)
class Group:
    """One result: contenders that differ only in their seed.

    Attributes:
        name: how the result is called, unique. members: at least one. seeds: of the members, None where unknown.
        differences: dotted config key -> its value, of the keys that are not alike in all groups compared.
    """

    name: str
    members: tuple[Contender, ...]
    seeds: tuple[int | None, ...]
    differences: dict[str, Any]

    @property
    def n(self) -> int:
        """How many seeds there are."""
        return len(self.members)


def grouped(contenders: Sequence[Contender]) -> list[Group]:
    """The contenders by config, in order of first appearance; results without a config stand alone.

    Raises:
        UserError: the same seed twice in a group that has several: that is no other draw.
    """
    buckets: dict[str, list[Contender]] = {}
    for contender in contenders:
        key = json.dumps(_essence(contender), sort_keys=True) if contender.config else f"file {contender.name}"
        buckets.setdefault(key, []).append(contender)
    differing = differences([_essence(members[0]) for members in buckets.values()])
    groups = []
    for name, members, changed in zip(_named(list(buckets.values())), buckets.values(), differing, strict=True):
        seeds = tuple(m.config.get("seed") for m in members)
        _check_seeds(members, seeds)
        groups.append(Group(name, tuple(members), seeds, changed))
    return groups


def differences(configs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """For each flat config the entries that are not equal in all that are not empty; a missing key is "not there"."""
    full = [config for config in configs if config]
    keys = sorted({key for config in full for key in config})
    unlike = [key for key in keys if any(c.get(key, "not there") != full[0].get(key, "not there") for c in full)]
    return [{key: config.get(key, "not there") for key in unlike} if config else {} for config in configs]


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted key -> value of nested mappings; lists stay whole."""
    found: dict[str, Any] = {}
    for key, value in config.items():
        name = f"{prefix}{key}"
        found |= flat(value, f"{name}.") if isinstance(value, Mapping) and value else {name: value}
    return found


def _essence(contender: Contender) -> dict[str, Any]:
    """The flat config without what does not change the result; the seed's echoes in the data go with it."""
    config = flat(contender.config)
    return {
        key: value
        for key, value in config.items()
        if key not in _ASIDE and not key.startswith(tuple(f"{aside}." for aside in _ASIDE))
    }


def _check_seeds(members: Sequence[Contender], seeds: Sequence[int | None]) -> None:
    twice = sorted({str(seed) for seed in seeds if len(members) > 1 and list(seeds).count(seed) > 1})
    if twice:
        raise UserError(
            f"compare: {', '.join(m.name for m in members)} have the same config, and seed {', '.join(twice)} twice; "
            "repetitions of one seed are no independent draws: leave one out"
        )


def _named(buckets: Sequence[Sequence[Contender]]) -> list[str]:
    """A short name for each group: one that the user gave, else the first of three kinds of names that tells all apart.

    The experiment (``openpose_synthetic``), the overrides in which the groups differ (``optimizer=sgd``; of an
    architecture the value alone), both; what is still alike after that takes the path of its first run.
    """
    said = [[word for word in _overrides(b[0]) if all(word in _overrides(m) for m in b)] for b in buckets]
    everywhere = {word for word in said[0] if len(said) > 1 and all(word in words for words in said)}
    told = [", ".join(w.removeprefix("architecture=") for w in words if w not in everywhere) for words in said]
    experiments = [str(b[0].config.get("name") or "") for b in buckets]
    both = [": ".join(part for part in pair if part) for pair in zip(experiments, told, strict=True)]
    names = next((kind for kind in (experiments, told, both) if len({*kind}) == len(kind) and all(kind)), both)
    names = [_cut(name or b[0].name) for name, b in zip(names, buckets, strict=True)]
    own = [b[0].name if len(b) == 1 and (b[0].named or not b[0].config) else "" for b in buckets]
    names = [mine or name for mine, name in zip(own, names, strict=True)]
    return [b[0].name if names.count(name) > 1 else name for name, b in zip(names, buckets, strict=True)]


def _overrides(contender: Contender) -> list[str]:
    """The overrides of a run's command line that say what it is."""
    said = contender.provenance.get("overrides", [])
    return [word for word in said if word.split("=")[0].lstrip("+~") not in ("experiment", *_ASIDE)]


def _cut(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 20]}…{name[-18:]}"
