"""The most memory that a call holds at once."""

from __future__ import annotations

import ctypes
import gc
import platform
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def peak(call: Callable[[], Any], device: torch.device) -> tuple[int | None, str]:
    """Bytes that ``call`` takes at its highest beyond what is held before it, and in words how that was measured.

    On CUDA devices the allocator's own peak; else, on Linux, the highest resident set of this process, after what is
    free has been given back and the kernel's mark has been reset. None where neither can be read. Kernels that the
    first call loads count as its own: call something small of the same kind before.
    """
    gc.collect()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        call()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before, "torch.cuda.max_memory_allocated"
    return _peak_resident(call)


def _peak_resident(call: Callable[[], Any]) -> tuple[int | None, str]:
    _give_back()
    try:
        _RESET.write_text("5")  # proc(5): 5 resets the peak resident set to the present one
        before = _resident("VmRSS")
    except OSError as error:
        return None, f"not measured: {_RESET} cannot be used on this system ({error.strerror})"
    call()
    return max(0, _resident("VmHWM") - before), "resident set's high-water mark (VmHWM) above its start"


def _resident(field: str) -> int:
    found = re.search(rf"^{field}:\s+(\d+) kB", _STATUS.read_text(), re.M)
    if found is None:
        raise OSError(0, f"{_STATUS} has no {field}")
    return int(found[1]) * 1024


def _give_back() -> None:
    """Free memory of the C library's heap goes back to the kernel, so that using it again is seen."""
    if sys.platform == "linux" and platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)
