"""What to say of a data set that is not on the disk: what is missing, where to get it, on which terms, and its layout.

A config of data may have ``needs``:

    needs:
      name: CrowdPose
      source: https://github.com/Jeff-sjtu/CrowdPose
      licence: none stated
      layout: |
        crowdpose/
          images/100000.jpg ...
      keys: [train.labels, train.pictures]      # of the same config: files and folders that must be there

Nothing is ever downloaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from armature.errors import ConfigError, DataError

#: What ``needs`` may say, and must.
FIELDS = ("name", "source", "licence", "layout", "keys")
_SHOWN = 4


def check(data: Mapping[str, Any]) -> None:
    """Passes if everything that a config of data needs is there, or it says nothing of what it needs.

    Raises:
        DataError: something is missing; says what, where to get it, its licence and the layout expected.
        ConfigError: ``needs`` lacks a field, has an unknown one, or names a key that is not there.
    """
    needs = data.get("needs")
    if not needs:
        return
    if set(needs) != set(FIELDS):
        raise ConfigError(f"data.needs must have the fields {', '.join(FIELDS)}; found {', '.join(needs)}")
    paths = dict.fromkeys(path for key in needs["keys"] for path in _paths(data, key))
    missing = [path for path in paths if not Path(path).expanduser().exists()]
    if missing:
        raise DataError(_message(needs, missing, data.get("root")))


def _paths(data: Mapping[str, Any], key: str) -> list[str]:
    """What stands at a dotted key: one path, several, or none where the part is left out."""
    value: Any = data
    for part in key.split("."):
        if value is None:
            return []
        if part not in value:
            raise ConfigError(f"data.needs.keys: the config has no data.{key}")
        value = value[part]
    return [] if value is None else [value] if isinstance(value, str) else [str(path) for path in value]


def _message(needs: Mapping[str, Any], missing: list[str], root: str | None) -> str:
    more = [f"           and {len(missing) - _SHOWN} more"] if len(missing) > _SHOWN else []
    listing = [f"  {'missing: ' if not i else ' ' * 9}{path}" for i, path in enumerate(missing[:_SHOWN])]
    layout = [f"    {line}" for line in str(needs["layout"]).rstrip().splitlines()]
    where = f", now {root}" if root is not None else ""
    return "\n".join(
        [
            f"{needs['name']} is not there, or not as it is published:",
            *listing,
            *more,
            f"  get it:  {needs['source']}",
            f"  licence: {needs['licence']}",
            "  layout:",
            *layout,
            f"Nothing is downloaded. Say where it is with data.root=FOLDER{where}, or with the variable ARMATURE_DATA.",
        ]
    )
