"""What can be known about a run before it is queued: ``preflight(config)`` tries everything that training begins with.

    found = preflight(config)        # config: composed and resolved
    if not found.passed:
        raise UserError(found.summary())
    found.plain()["facts"]           # steps, seconds, bytes

Nothing is written and no run folder is made. It trains a few batches in this process, so that it needs the memory of
one process of the run; a GPU that this machine does not have is left out.
"""

from armature.preflight.checks import Room, preflight
from armature.preflight.findings import Finding, Preflight

__all__ = ["Finding", "Preflight", "Room", "preflight"]
