"""``armature data check``: what is wrong with labelled data, on the terminal, as a page and as a table."""

from __future__ import annotations

import time
import warnings
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from armature.errors import ConfigError

SUMMARY = "find what is wrong with labelled data; exit code 0 nothing (or notes), 1 warnings, 2 errors"
EXAMPLES = """
armature data check data.path=my_data
armature data check data=coco_mini output=check
armature data check data.path=my_data fix=true output=check
armature data check data.path=labels.csv output=null
"""


def run(config: DictConfig, overrides: list[str], command: list[str]) -> int:
    """Prints what was found and writes it down; 0 where there are notes at most, 1 with warnings, 2 with errors.

    Raises:
        ConfigError: data that are no files, or ``fix`` without a place for what is mended.
    """
    from armature.checking import page, problems, reading, running, table
    from armature.checking.findings import exit_code

    if config.fix and not config.output:
        raise ConfigError("fix=true writes new label files below output=FOLDER; output=null has no place for them")
    started = time.monotonic()
    plain = OmegaConf.to_container(config, resolve=True)
    assert isinstance(plain, dict)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what readers warn of is found here one by one
        subject = reading.read(plain["data"], plain["skeleton"], _title(config, overrides))
    outcome = running.run(subject)
    counts = reading.counts(subject)
    seconds = f"{time.monotonic() - started:.1f} s"
    unread = not counts["people"] and any(subject.half_read(p.split) for p in subject.pictures)
    people = "labels that could not be read" if unread else f"{counts['people']:,} people with labelled points"
    said = f"{subject.title}: {counts['pictures']:,} pictures, {people}"
    table.show(outcome.findings, f"{said} (looked at in {seconds}, {outcome.fresh:,} pictures for the first time)")
    if config.output:
        folder = Path(config.output)
        problems.write(outcome.findings, folder / "problems.csv")
        facts = {"pictures": f"{counts['pictures']:,}", "people with labelled points": f"{counts['people']:,}"}
        page.write(
            subject, outcome.findings, facts, folder / "report.html", int(config.pictures), int(config.most_pictures)
        )
        print(f"written to {folder}: report.html, problems.csv")
    if config.fix:
        _fix(subject, Path(config.output))
    return exit_code(outcome.findings)


def _title(config: DictConfig, overrides: list[str]) -> str:
    if path := config.data.get("path"):
        return str(path)
    chosen = [o.partition("=")[2] for o in overrides if o.startswith("data=")]
    return chosen[-1] if chosen else "data"


def _fix(subject: object, folder: Path) -> None:
    import csv

    from armature.checking import mending
    from armature.checking.subject import Subject

    assert isinstance(subject, Subject)
    if not subject.files:
        print(
            "nothing was mended: fix=true mends COCO files; "
            "armature data convert from=... to=... to_format=coco makes one of any other format"
        )
        return
    changes = mending.write(subject, folder / "fixed")
    if not changes:
        print("nothing to mend without loss")
        return
    with open(folder / "changes.csv", "w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream, lineterminator="\n")
        rows.writerow(["file", "annotation", "kind", "what"])
        for change in changes:
            file = subject.files[change.file]
            entry = file.content["annotations"][change.place]
            rows.writerow([file.path.name, entry.get("id", change.place), change.kind, change.what])
    named = ", ".join(mending.names(subject))
    how = f"data=folder data.path={folder / 'fixed'} data.links=true" if subject.tree else f"annotations there: {named}"
    print(f"{len(changes):,} changes in {folder / 'fixed'}, listed in {folder / 'changes.csv'}; {how}")
