"""From a config to a page in a folder."""

from __future__ import annotations

from omegaconf import DictConfig

from armature import assembly
from armature.data.source import Source
from armature.errors import ConfigError
from armature.showing import page, problems
from armature.showing.output import Output
from armature.showing.sheet_command import PARTS, check


def run(config: DictConfig) -> int:
    """Writes the page and says where it is; 0 when written.

    Raises:
        UserError: see ``armature data show``.
    """
    check(config)
    output = Output(config.output)
    found = problems.read(config.problems) if config.problems else []
    data = assembly.data(config)
    parts: dict[str, Source] = {name: s for name in PARTS if (s := getattr(data, name)) is not None}
    if not parts:
        raise ConfigError("data: there are no pictures, neither to learn from nor to judge by")
    count = sum(len(source) for source in parts.values())
    print(f"{count:,} pictures ({', '.join(f'{name} {len(s):,}' for name, s in parts.items())})", flush=True)
    with output:
        path, strange = page.write(output, parts, found, _title(config), config.thumbnail)
    if found:
        print(f"{config.problems}: {len(found) - len(strange):,} of {len(found):,} problems are of these pictures")
    if strange:
        others = sorted({p.picture or "no single picture" for p in strange})
        print(f"  the others are of {', '.join(others[:4])}{', ...' if len(others) > 4 else ''}")
    print(f"{path}\n  open it in a browser: {path.resolve().as_uri()}")
    return 0


def _title(config: DictConfig) -> str:
    """What the page is called: the path or root of the data, or the skeleton's name."""
    where = config.data.get("path") or config.data.get("root")
    return str(where).rstrip("/").rpartition("/")[2] if where else f"generated, {config.skeleton.name}"
