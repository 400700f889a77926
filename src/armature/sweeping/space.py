"""Search spaces in Hydra's own grammar: ``choice``, ``range``, ``interval``, ``tag(log, ...)``, ``glob``."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, RangeSweep
from hydra.errors import HydraException

from armature.configuration import expand
from armature.errors import ConfigError

#: Grids with more points than this are a mistake.
LARGEST_GRID = 100_000


@dataclass(frozen=True)
class Parameter:
    """One thing that a sweep varies.

    Attributes:
        name: in the study, in tables and plots; the key, with its condition where a key has several.
        key: as it stands left of ``=`` on a command line.
        choices: values as a command line spells them; empty for numbers.
        low, high: both inclusive. step: between values; None is continuous (or 1 for integers).
        log: drawn evenly in the logarithm. whole: integers.
        condition: (key, value) of another parameter without which this one does not exist.
    """

    name: str
    key: str
    choices: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0
    step: float | None = None
    log: bool = False
    whole: bool = False
    condition: tuple[str, str] | None = None

    def distribution(self) -> Any:
        """The same in Optuna's words."""
        from optuna import distributions

        if self.choices:
            return distributions.CategoricalDistribution(self.choices)
        if self.whole:
            return distributions.IntDistribution(int(self.low), int(self.high), self.log, int(self.step or 1))
        return distributions.FloatDistribution(self.low, self.high, self.log, self.step)

    def values(self) -> list[Any]:
        """Every value there is.

        Raises:
            ConfigError: an interval of real numbers, which has no end of them.
        """
        if self.choices:
            return list(self.choices)
        if self.step is None and not self.whole:
            raise ConfigError(
                f"a grid cannot have '{self.name}': an interval has no end of values; use range or choice"
            )
        step, first = self.step or 1, self.low
        count = int((self.high - first) / step + 1e-9) + 1
        numbers = [first + i * step for i in range(count)]
        return [int(n) for n in numbers] if self.whole else [float(f"{n:.12g}") for n in numbers]

    def override(self, value: Any) -> str:
        """``key=value`` for a command line."""
        return f"{self.key}={value if self.choices else repr(value)}"


@dataclass(frozen=True)
class Space:
    """The parameters of a sweep, each after those that it depends on."""

    parameters: tuple[Parameter, ...]

    def draw(self, suggest: Callable[[Parameter], Any]) -> dict[str, Any]:
        """A value for every parameter that exists with the values before it, by name."""
        drawn: dict[str, Any] = {}
        for parameter in self.parameters:
            if self.exists(parameter, drawn):
                drawn[parameter.name] = suggest(parameter)
        return drawn

    def exists(self, parameter: Parameter, drawn: Mapping[str, Any]) -> bool:
        """Whether a parameter's condition holds among values that have been drawn."""
        if parameter.condition is None:
            return True
        key, wanted = parameter.condition
        return any(p.key == key and drawn.get(p.name) == wanted for p in self.parameters)

    def overrides(self, drawn: Mapping[str, Any]) -> list[str]:
        """Drawn values as they are typed after ``armature train``."""
        return [p.override(drawn[p.name]) for p in self.parameters if p.name in drawn]

    def grid(self) -> list[dict[str, Any]]:
        """Every point, the last parameter varying fastest.

        Raises:
            ConfigError: a continuous parameter, or more points than anybody can want.
        """
        points: list[dict[str, Any]] = [{}]
        for parameter in self.parameters:
            values = parameter.values()
            points = [
                {**point, parameter.name: value} if exists else point
                for point in points
                for exists in [self.exists(parameter, point)]
                for value in (values if exists else values[:1])
            ]
            if len(points) > LARGEST_GRID:
                raise ConfigError(f"this grid has more than {LARGEST_GRID:,} points")
        return points

    def examples(self) -> Iterator[list[str]]:
        """Overrides of a few points among which every parameter is set at least once, to try them before a sweep."""
        wanted: list[tuple[str, str] | None] = [None]
        wanted += [p.condition for p in self.parameters if p.condition and p.condition not in wanted]
        seen: list[list[str]] = []
        for condition in dict.fromkeys(wanted):
            chain = dict(self._chain(condition))
            point = self.draw(lambda p, chain=chain: chain.get(p.key, p.choices[0] if p.choices else p.low))  # type: ignore[misc]
            if (overrides := self.overrides(point)) not in seen:
                seen.append(overrides)
                yield overrides

    def _chain(self, condition: tuple[str, str] | None) -> Iterator[tuple[str, str]]:
        """A condition and those under which its own parameter exists."""
        while condition:
            yield condition
            condition = next((p.condition for p in self.parameters if p.key == condition[0]), None)


def parse(
    space: Mapping[str, Any], when: Mapping[str, Mapping[str, Any]] | None = None, folders: Sequence[str | Path] = ()
) -> Space:
    """The search space that a config describes.

    Args:
        space: key -> ``choice(...)``, ``range(...)``, ``interval(...)``, with ``tag(log, ...)`` and ``int(...)``.
        when: ``key=value`` of a parameter -> further parameters that exist only then.
        folders: the user's own config folders, for ``glob``.

    Raises:
        ConfigError: a text that Hydra cannot read, one value only, a condition on something that is not varied.
    """
    blocks: list[tuple[str, Mapping[str, Any]]] = [("", space), *(when or {}).items()]
    keys = [key for _, block in blocks for key in block]
    parameters: list[Parameter] = []
    for condition, block in blocks:
        asked = _condition(condition, parameters) if condition else None
        for key, text in block.items():
            if any(p.key == key and (not asked or not p.condition or p.condition == asked) for p in parameters):
                raise ConfigError(
                    f"'{key}' is in the search space twice, not only under conditions that exclude each other"
                )
            name = f"{key} ({condition})" if keys.count(key) > 1 else key
            parameters.append(_parameter(name, str(key), str(text), asked, folders))
    if not parameters:
        raise ConfigError(
            "nothing to vary: give space={KEY: choice(...), ...}, or sweep=NAME for a search space of conf/sweep"
        )
    return Space(tuple(parameters))


def _condition(text: str, parameters: Sequence[Parameter]) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    options = [option for p in parameters if p.key == key for option in p.choices]
    if not equals or not options:
        known = sorted({p.key for p in parameters if p.choices})
        raise ConfigError(f"when '{text}': write KEY=VALUE of a choice in the space before it; choices: {known}")
    if value not in options:
        near = difflib.get_close_matches(value, options, 1)
        raise ConfigError(
            f"when '{text}': {key} is one of {options}" + (f"; did you mean '{near[0]}'?" if near else "")
        )
    return key, value


def _parameter(
    name: str, key: str, text: str, condition: tuple[str, str] | None, folders: Sequence[str | Path]
) -> Parameter:
    whole = f"{key}={text}"
    try:
        override = OverridesParser.create().parse_override(whole)
    except HydraException as error:
        raise ConfigError(f"search space '{whole}' cannot be read: {str(error).splitlines()[0]}") from error
    found: Any = override.value()
    if not override.is_sweep_override():
        raise ConfigError(f"search space '{whole}': one value only; put what does not vary into train=[{whole}]")
    tags: set[str] = getattr(found, "tags", set())
    if unknown := tags - {"log"}:
        raise ConfigError(
            f"search space '{whole}': tag {', '.join(sorted(unknown))} means nothing here; there is 'log'"
        )
    log = "log" in tags
    if isinstance(found, IntervalSweep):
        return _checked(_interval(name, key, found, log, condition), whole)
    if isinstance(found, RangeSweep) and _is_numeric(found):
        return _checked(_range(name, key, found, log, condition), whole)
    values = [e[0].partition("=")[2] for e in expand([whole], folders)]
    values = [{"True": "true", "False": "false"}.get(value, value) for value in values]
    if len(values) < 2 or len(set(values)) < len(values) or log:
        raise ConfigError(
            f"search space '{whole}': a choice needs two or more different values, and no tag; found {values}"
        )
    return Parameter(name, key, tuple(values), condition=condition)


def _interval(name: str, key: str, found: Any, log: bool, condition: tuple[str, str] | None) -> Parameter:
    whole = isinstance(found.start, int) and isinstance(found.end, int)
    return Parameter(name, key, (), found.start, found.end, None, log, whole, condition)


def _is_numeric(found: Any) -> bool:
    return found.step is not None and found.step > 0 and not found.shuffle


def _range(name: str, key: str, found: Any, log: bool, condition: tuple[str, str] | None) -> Parameter:
    """Hydra's range, which leaves its end out."""
    values = list(found.range())
    whole = all(isinstance(v, int) for v in values)
    if not values:
        return Parameter(name, key, (), 1, 0)
    step = None if log and whole and found.step == 1 else float(found.step)
    return Parameter(name, key, (), values[0], values[-1], step, log, whole, condition)


def _checked(parameter: Parameter, text: str) -> Parameter:
    if not parameter.low < parameter.high:
        raise ConfigError(f"search space '{text}': needs a lower end below the upper one")
    if parameter.log and (parameter.low <= 0 or parameter.step is not None):
        raise ConfigError(f"search space '{text}': log needs numbers above 0 and no steps")
    return parameter
