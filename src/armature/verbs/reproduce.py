"""``armature reproduce``: does an experiment reach what its config expects of it?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from armature import config_folders, provenance, reproduction
from armature.errors import ConfigError
from armature.reports import ledger
from armature.reports import scores as s
from armature.run_folder import write_json

SUMMARY = "train or judge an experiment against what it expects; exit code 0 reached, 3 outside"
EXAMPLES = """
armature reproduce experiment=centernet_coco trainer=ddp
armature reproduce experiment=centernet_coco weights=best.ckpt
armature reproduce run=runs/centernet_coco/RUN
armature reproduce table=true
"""

OUTSIDE = 3


def run(config: DictConfig, overrides: list[str], command: list[str]) -> int:
    """Writes ``<experiments>/<name>/result.json`` and the table; 0 where the expectation is reached, 3 where it is not.

    Raises:
        UserError: the experiment expects nothing, or what is to be judged is not there.
    """
    experiments = Path(config.experiments)
    if config.table:
        page = ledger.update(config_folders.project(), experiments)
        _show(ledger.rows(config_folders.project(), experiments))
        print(f"written to {page}")
        return 0
    if config.resume or (config.run and config.weights):
        raise ConfigError("reproduce takes one of run=FOLDER and weights=FILE; go on with `armature train resume=...`")
    result: dict[str, Any] | None
    if config.run:
        result = reproduction.of_run(config, overrides)
    else:
        result = (reproduction.of_weights if config.weights else reproduction.of_training)(config, overrides, command)
    if result is None:  # one of several processes, and not the one that speaks
        return 0
    write_json(experiments / result["experiment"] / "result.json", result)
    ledger.update(config_folders.project(), experiments)
    print(result["summary"])
    return 0 if result["reached"] else OUTSIDE


def _show(rows: Sequence[ledger.Row]) -> None:
    """The table for the terminal, which also says what of the data and hardware is missing here."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for column in ("experiment", "metric", "expected", "found", "verdict", "missing here"):
        table.add_column(column, overflow="fold")
    for row in rows:
        goal = f"{row.expected['value']:g} ± {row.expected['tolerance']:g}" if row.expected else s.MISSING
        found = s.shown(row.metric, row.found)
        table.add_row(row.name, row.metric or s.MISSING, goal, found, row.verdict, ", ".join(_missing(row)))
    Console(width=None if Console().is_terminal else 160).print(table)


def _missing(row: ledger.Row) -> Iterator[str]:
    for place in row.data:
        folder = OmegaConf.create({"root": place}).root
        if not Path(folder).is_dir():
            yield f"data not present ({folder})"
    if row.gpu and not provenance.accelerators():
        yield "no GPU"
