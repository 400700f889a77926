"""Imports point one way, and an architecture is known by name in its own folder only.

    structures <- ops <- layers <- architectures          data, losses, evaluation know structures and ops

The rules are read off the sources with ``ast``: nothing is imported, so a cycle cannot hide behind a lazy import.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCES = Path(__file__).resolve().parents[1] / "src" / "armature"

#: The ground: known to everybody, knowing only each other.
GROUND = {"errors", "structures", "skeletons", "skeleton_mapping", "clock", "hardware"}
#: What a part may import besides itself. Parts that are not listed stand above all of these and may import any.
MAY = {
    **dict.fromkeys(GROUND, GROUND),
    "structures": {"errors"},
    "ops": GROUND,
    "layers": GROUND | {"ops"},
    "losses": GROUND | {"ops"},
    "data": GROUND | {"ops"},
    "evaluation": GROUND | {"ops"},
    "architectures": GROUND | {"ops", "layers"},
    "module": GROUND | {"ops", "optimisation", "multiscale", "architectures.protocol"},
    "optimisation": GROUND,
    "augmentation": GROUND | {"ops"},
}
#: Names that say nothing about what a file holds.
HOMELESS = {"utils", "util", "helpers", "helper", "misc", "common", "base"}


def imports(file: Path, root: Path) -> Iterator[tuple[int, str]]:
    """(line, name below the package) of everything in ``root``'s package that a file imports, at any depth."""
    package = root.name
    here = [package, *file.relative_to(root).with_suffix("").parts]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = here[: len(here) - node.level] if node.level else []
            module = ".".join([*start, *([node.module] if node.module else [])])
            names = [f"{module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from ((node.lineno, name[len(package) + 1 :]) for name in names if name.startswith(package + "."))


def strings_and_names(file: Path) -> Iterator[tuple[int, str]]:
    """(line, text) of every identifier and string that the program works with; docstrings and EXAMPLES are prose."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    prose: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            prose.add(node.value)
        if isinstance(node, ast.Assign) and any(getattr(t, "id", "") in ("EXAMPLES", "SUMMARY") for t in node.targets):
            prose.update(ast.walk(node))
    for node in ast.walk(tree):
        if node in prose:
            continue
        for field in ("id", "attr", "name", "arg", "module", "value"):
            text = getattr(node, field, None)
            if isinstance(text, str):
                yield getattr(node, "lineno", 0), text


def part(name: str) -> str:
    """``data.coco.read`` -> ``data``."""
    return name.split(".")[0]


def allowed(importer: str, imported: str) -> bool:
    own, other = part(importer), part(imported)
    if own not in MAY:
        return True
    if own == other:
        kin = importer.split(".")[1:2], imported.split(".")[1:2]
        return own != "architectures" or kin[0] == kin[1] or kin[1] == ["protocol"]
    return other in MAY[own] or any(imported == m or imported.startswith(m + ".") for m in MAY[own])


def violations(root: Path) -> list[str]:
    """Every broken rule below a package's folder, one sentence each."""
    found = []
    architectures = {d.name for d in (root / "architectures").glob("[a-z]*") if d.is_dir()}
    for file in sorted(root.rglob("*.py")):
        where = file.relative_to(root)
        importer = ".".join(where.with_suffix("").parts)
        if set(where.with_suffix("").parts) & HOMELESS:
            found.append(f"{where}: a name that says nothing")
        for line, imported in imports(file, root):
            if not allowed(importer, imported):
                found.append(f"{where}:{line}: {part(importer)} must not import {imported}")
        for line, text in strings_and_names(file):
            for name in architectures - set(where.parts):
                if name in text.lower():
                    found.append(f"{where}:{line}: '{text[:40]}' names the architecture {name}")
    return found


def test_imports_point_one_way_and_no_architecture_is_known_by_name() -> None:
    found = violations(SOURCES)
    assert not found, "\n".join(found)


def _miniature(root: Path, files: dict[str, str]) -> Path:
    package = root / "armature"
    for name in ("structures.py", "ops/peaks.py", "layers/necks.py", "architectures/protocol.py"):
        files = {name: "", **files}
    for name, text in {"architectures/one/model.py": "", "architectures/two/model.py": "", **files}.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    return package


@pytest.mark.parametrize(
    "files",
    [
        {"structures.py": "from armature.ops import peaks"},
        {"structures.py": "def f():\n    import armature.skeletons"},
        {"ops/peaks.py": "from armature.layers.necks import Neck"},
        {"layers/necks.py": "from ..architectures.protocol import Term"},
        {"architectures/one/model.py": "from armature.architectures.two.model import Model"},
        {"architectures/one/model.py": "from ..two import model"},
        {"architectures/one/model.py": "from armature.losses import focal"},
        {"data/coco.py": "from armature.evaluation import oks"},
        {"losses/focal.py": "from armature.data import coco"},
        {"evaluation/oks.py": "from armature import module"},
        {"module.py": "from armature.architectures.one.model import Model"},
        {"module.py": "def f(model):\n    return model.name == 'one'"},
        {"verbs/train.py": "import armature.architectures.two.codec"},
        {"ops/utils.py": ""},
        {"data/common/read.py": ""},
    ],
)
def test_every_rule_can_fail(tmp_path: Path, files: dict[str, str]) -> None:
    assert violations(_miniature(tmp_path, files))


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"layers/necks.py": "from armature.ops.peaks import find"},
        {"architectures/one/model.py": "from armature.architectures.protocol import Term\nfrom .codec import Codec"},
        {"module.py": "from armature.architectures.protocol import Sum"},
        {"losses/focal.py": '"""As published with one (2019)."""\n# one'},
        {"verbs/train.py": "EXAMPLES = 'armature train architecture=one'\nfrom armature.module import M"},
    ],
)
def test_what_is_right_passes(tmp_path: Path, files: dict[str, str]) -> None:
    assert violations(_miniature(tmp_path, files)) == []
