"""Runs as jobs of a cluster: settings of a site, the script, submitting it, and what became of it.

``submit(command, launcher, count, folder=...)`` is for whoever wants several workers of one kind: it queues ``count``
jobs that all run ``armature <command>`` and returns their ids, ``["123_0", "123_1", ...]``. A worker that ends with
exit code 138 (told that its time is nearly up: SIGUSR1) or 143 (told to go: SIGTERM) is queued again under the same id
and runs the same command again; any other exit code is final.
"""

from armature.launching.settings import Local, Slurm
from armature.launching.submission import check, launch, launch_grid, room, submit, without_launcher

__all__ = ["Local", "Slurm", "check", "launch", "launch_grid", "room", "submit", "without_launcher"]
