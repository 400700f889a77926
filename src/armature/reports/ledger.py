"""The reproduction ledger: what each experiment should reach, what it reached, and what is missing; read from files.

Of an experiment ``conf/experiment/<name>.yaml`` says what is expected and needed, and ``experiments/<name>/`` what was
found: ``result.json`` of ``armature reproduce``, or ``metrics.json`` of a run that was recorded.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from armature.errors import UserError
from armature.reports import expectation
from armature.reports import scores as s
from armature.run_folder import write_text

BEGIN = "<!-- ledger: written by `armature reproduce table=true`, never by hand -->"
END = "<!-- ledger: end -->"
HEADER = ("experiment", "metric", "expected", "found", "verdict", "evidence", "source of the expectation")
_PAGE = f"# Experiments\n\n{BEGIN}\n{END}\n"


@dataclass(frozen=True)
class Row:
    """One experiment.

    Attributes:
        expected: as in its config, None where it promises nothing. metric: what is compared, or "".
        found: the value, None where there is none. evidence: how, when and on what, or "".
        needs: in words, data and hardware that a run takes. data: their places, to look for. gpu: whether it takes one.
        folder: whether there is ``experiments/<name>``.
    """

    name: str
    expected: dict[str, Any] | None = None
    metric: str = ""
    found: float | None = None
    evidence: str = ""
    needs: list[str] = field(default_factory=list)
    data: list[str] = field(default_factory=list)
    gpu: bool = False
    folder: bool = False

    @property
    def verdict(self) -> str:
        """Reached, missed and by how much, recorded where nothing was promised, or what a run would need."""
        if not self.evidence:
            return "not run" + (f": needs {' and '.join(self.needs)}" if self.needs else "")
        if self.expected is None:
            return "recorded, nothing promised"
        return expectation.judge(self.expected, self.found)[1]


def rows(conf: Path, experiments: Path) -> list[Row]:
    """A row for each experiment of ``conf/experiment`` and each folder of ``experiments``, in the order of names.

    Raises:
        UserError: a file cannot be read or says something else than it should; names it.
    """
    names = {file.stem for file in (conf / "experiment").glob("*.yaml")}
    names |= {file.parent.name for what in ("result", "metrics") for file in experiments.glob(f"*/{what}.json")}
    return [_row(name, conf, experiments / name) for name in sorted(names)]


def markdown(rows: Sequence[Row]) -> str:
    """The table, names linked to the experiments' folders."""
    lines = [HEADER, ["---"] * len(HEADER), *map(_cells, rows)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def update(conf: Path, experiments: Path) -> Path:
    """Writes the table anew between the marks of ``experiments/README.md``; makes the page where there is none.

    Raises:
        UserError: a file cannot be read, or the page has no marks.
    """
    page = experiments / "README.md"
    text = page.read_text(encoding="utf-8") if page.is_file() else _PAGE
    write_text(page, with_table(text, markdown(rows(conf, experiments)), str(page)))
    return page


def with_table(text: str, table: str, where: str = "page") -> str:
    """The text with everything between the marks replaced by the table.

    Raises:
        UserError: not one pair of marks.
    """
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise UserError(f"{where}: the table stands between two lines, once each:\n{BEGIN}\n{END}")
    return f"{text.partition(BEGIN)[0]}{BEGIN}\n\n{table}\n\n{END}{text.partition(END)[2]}"


def _row(name: str, conf: Path, folder: Path) -> Row:
    chosen = _read_yaml(conf / "experiment" / f"{name}.yaml")
    result, recorded = _read_json(folder / "result.json"), _read_json(folder / "metrics.json")
    run_config = _read_yaml(folder / "config.yaml")
    expected = chosen.get("expected") or result.get("expected")
    expectation.check(expected)
    leading = recorded.get("primary") or run_config.get("monitor", "") if recorded else ""
    metric = expected["metric"] if expected else leading
    found = result.get("metrics", {}).get(metric) if result else _recorded(recorded, metric)
    needs, data, gpu = _needs(conf, chosen.get("defaults", []))
    evidence = result.get("evidence", "") if result else f"[metrics.json]({name}/metrics.json)" if recorded else ""
    return Row(name, expected, metric, s.number(found), evidence, needs, data, gpu, folder.is_dir())


def _recorded(recorded: dict[str, Any], metric: str) -> Any:
    """The metric of a metrics.json: of a run, or pooled over the folds of a cross-validation."""
    pooled = f"pooled/{metric.partition('/')[2]}"
    return recorded.get("metrics", {}).get(metric, recorded.get(pooled))


def _needs(conf: Path, defaults: Sequence[Any]) -> tuple[list[str], list[str], bool]:
    """What an experiment's choices of data and trainer take: in words, as places of data, and whether a GPU."""
    choices = {k.removeprefix("override").strip(" /"): v for d in defaults if isinstance(d, dict) for k, v in d.items()}
    data = str(_read_yaml(conf / "data" / f"{choices.get('data')}.yaml").get("root") or "")
    gpu = _read_yaml(conf / "trainer" / f"{choices.get('trainer')}.yaml").get("accelerator") == "gpu"
    words = [f"data `{choices['data']}`"] if data else []
    return words + (["a GPU"] if gpu else []), [data] if data else [], gpu


def _cells(row: Row) -> list[str]:
    expected = row.expected
    goal = f"{expected['value']:g} ± {expected['tolerance']:g}" if expected else s.MISSING
    found = s.shown(row.metric, row.found) if row.metric else s.MISSING
    name = f"[{row.name}]({row.name}/)" if row.folder else row.name
    source = expectation.origin(expected) if expected else s.MISSING
    cells = [name, row.metric or s.MISSING, goal, found, row.verdict, row.evidence or s.MISSING, source]
    return [" ".join(cell.split()).replace("|", "\\|") for cell in cells]


def _read_json(path: Path) -> dict[str, Any]:
    return _read(path, json.loads)


def _read_yaml(path: Path) -> dict[str, Any]:
    return _read(path, yaml.safe_load)


def _read(path: Path, parse: Any) -> dict[str, Any]:
    """An object, {} where there is no file."""
    if not path.is_file():
        return {}
    try:
        found = parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise UserError(f"{path}: expected an object; found a {type(found).__name__}")
    return found
