"""What this machine can do that a config may ask for by ``auto``."""

from __future__ import annotations

import functools
import os
import platform
from pathlib import Path

import torch

from armature.errors import ConfigError

#: Instruction sets with bf16 multiply-accumulate; without one of them bf16 on a CPU is slower than float32.
_BF16 = ("amx_bf16", "avx512_bf16")


@functools.cache
def cpu_has_bf16() -> bool:
    """Whether this CPU multiplies bf16 in hardware (AMX or AVX-512 BF16 on x86, BF16 on ARM)."""
    try:
        words = set(Path("/proc/cpuinfo").read_text().split())
    except OSError:
        return False
    return any(flag in words for flag in _BF16) or (platform.machine() == "aarch64" and "bf16" in words)


def multiplies_bf16(device: str) -> bool:
    """Whether devices of this type (torch's name) multiply bf16 in hardware."""
    return torch.cuda.is_bf16_supported() if device == "cuda" else device == "cpu" and cpu_has_bf16()


def precision(accelerator: str) -> str:
    """Lightning's name of the fastest precision that trains safely here: ``bf16-mixed`` or ``32-true``."""
    on_gpu = accelerator in ("gpu", "cuda") or (accelerator == "auto" and torch.cuda.is_available())
    fast = multiplies_bf16("cuda" if on_gpu and torch.cuda.is_available() else "cpu")
    return "bf16-mixed" if fast else "32-true"


def device(name: str) -> torch.device:
    """The device of a name; ``auto`` is CUDA where there is any.

    Raises:
        ConfigError: torch knows no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"device={name}: {str(error).splitlines()[0]}") from error


def cores() -> int:
    """CPU cores this process may use; a container's or a cluster job's share, not the machine's."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
