"""The C library's heap, told to keep what the next step will ask for again."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from collections.abc import Mapping

#: Options of mallopt(3): size at the heap's end above which it is given back, how much more is asked for than needed,
#: and how many blocks may live outside the heap.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
_NEVER, _PAD = 2**31 - 1, 64 << 20


def keep_freed() -> bool:
    """Whether freed memory now stays with the process, which is so for glibc's allocator unless told otherwise.

    By default glibc takes large blocks from the kernel and gives them back at once, so that every tensor of every step
    is made of fresh pages, each of which the kernel fills with zeros first: a fifth of the default's step on two CPU
    cores (experiments/LOG.md). Memory use stays what it was at its highest. Nothing is done under another C library,
    under a preloaded allocator, or where the environment has settings of its own (``MALLOC_*_``, ``GLIBC_TUNABLES``).
    """
    if sys.platform != "linux" or platform.libc_ver()[0] != "glibc" or _settled(os.environ):
        return False
    libc = ctypes.CDLL(None)
    options = {_MMAP_MAX: 0, _TRIM_THRESHOLD: _NEVER, _TOP_PAD: _PAD}
    return all(libc.mallopt(option, value) == 1 for option, value in options.items())


def _settled(environment: Mapping[str, str]) -> bool:
    """Whether the user has chosen how memory is allocated."""
    own = any(name.startswith("MALLOC_") and name.endswith("_") for name in environment)
    return own or "malloc" in environment.get("GLIBC_TUNABLES", "") or "malloc" in environment.get("LD_PRELOAD", "")
