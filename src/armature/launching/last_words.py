"""The line of a job's log that says the most: the program's last one, not what SLURM says when it clears up."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

#: As much of a log is read as surely holds its last line.
_TAIL = 32768
#: What SLURM and the shell say of every job that was ended, however it was.
_CLEARING = re.compile(
    r"srun: (launch/slurm: |got SIG|forcing job termination|Job step aborted|Terminating |interrupt|Force Terminated"
    r"|Complete |First task exited|job \d+ (queued|has been)|step:|sending )"
    r"|srun: error: \S+: tasks? [\d,-]+: (Exited|Terminated|Killed|Interrupt|User defined signal|Aborted)"
    r"|slurmstepd\S*: (error: )?\*\*\* "
    r"|(.*: line \d+: +\d+ )?(Terminated|Killed|Hangup|User defined signal [12])( +\(core dumped\))?( +srun\b.*)?$"
)
#: Of those, what says why.
_CAUSE = re.compile(r"\*\*\* |\berror: ")


def last_line(file: Path) -> str:
    """The last line of a file that says something; of a line that is written over and over, its last state.

    Lines of SLURM's clearing up count only where there is nothing else, and then the first that names a cause.
    """
    lines = _lines(file)
    said = [line for line in lines if not _CLEARING.match(line)]
    return said[-1] if said else next((line for line in lines if _CAUSE.search(line)), lines[-1] if lines else "")


def _lines(file: Path) -> Sequence[str]:
    try:
        with open(file, "rb") as log:
            log.seek(max(0, file.stat().st_size - _TAIL))
            text = log.read().decode(errors="replace")
    except OSError:
        return []
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    return [line.strip() for line in re.split(r"[\r\n]", plain) if line.strip()]
