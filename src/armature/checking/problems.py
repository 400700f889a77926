"""Findings as a table for other programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from armature.checking.findings import Finding
from armature.run_folder import write_text

COLUMNS = ("severity", "kind", "picture", "instance", "keypoint", "split", "what", "fix")


def write(findings: Sequence[Finding], path: Path) -> None:
    """``problems.csv``: a finding a row, the worst first; empty cells where a column does not apply."""
    stream = io.StringIO()
    rows = csv.writer(stream, lineterminator="\n")
    rows.writerow(COLUMNS)
    for f in findings:
        instance = "" if f.instance is None else f.instance
        rows.writerow([f.severity, f.kind, f.picture, instance, f.keypoint, f.split, f.what, f.fix])
    write_text(path, stream.getvalue())
