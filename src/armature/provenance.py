"""Where a run comes from: command, code, versions, machine, seeds and data, as a plain dict for provenance.json."""

from __future__ import annotations

import contextlib
import datetime
import os
import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Any

from armature.run_folder import read_json, write_json

#: Longer diffs are cut: a run folder is no place for a generated file that somebody forgot to ignore.
DIFF_LIMIT = 200_000


def collect(
    command: Sequence[str], overrides: Sequence[str], seeds: Mapping[str, int], data: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The facts at the start of a run.

    Args:
        command: the command line as it was typed. overrides: its key=value part.
        seeds: by name. data: fingerprints of the data sets by split, and whatever else describes them.
    """
    segments = [_segment(command)]
    return {
        "command": shlex.join(command),
        "overrides": list(overrides),
        "folder": str(Path.cwd()),
        "seeds": dict(seeds),
        "data": dict(data or {}),
        "code": code(),
        "versions": versions(),
        "hardware": hardware(),
        "environment": environment(),
        "wandb_id": None,
        "requeues": requeues(segments),
        "segments": segments,
    }


def resume(path: Path, command: Sequence[str], **facts: Any) -> dict[str, Any]:
    """What ``path`` says plus one more segment; differing code, versions or machine are kept in the segment.

    Args:
        facts: of the segment.

    Raises:
        UserError: the file is missing or no JSON.
    """
    known = read_json(path)
    segment = _segment(command) | facts
    for name, now in (("code", code()), ("versions", versions()), ("hardware", hardware())):
        if now != known.get(name):
            segment[name] = now
    for earlier in known.setdefault("segments", []):
        if earlier.get("status") == "running":  # it had no time to say how it ended
            earlier["status"] = "killed"
    known["segments"].append(segment)
    known["requeues"] = requeues(known["segments"])
    write_json(path, known)
    return known


def requeues(segments: Sequence[Mapping[str, Any]]) -> int:
    """How often a cluster has started this run's jobs again."""
    jobs = [segment["slurm"] for segment in segments if "slurm" in segment]
    return sum(max(j["restarts"] for j in jobs if j["job"] == job) for job in {j["job"] for j in jobs})


def finish(path: Path, status: str = "finished", **facts: Any) -> None:
    """Notes the end of the last segment (``finished``, ``interrupted``, ``failed``) and further facts.

    Raises:
        UserError: the file is missing or no JSON.
    """
    known = read_json(path)
    known["segments"][-1] |= {"end": _now(), "status": status}
    write_json(path, known | facts)


def code(folder: Path | None = None) -> dict[str, Any]:
    """Commit, branch and uncommitted changes of the checkout that armature runs from; empty where there is none."""
    folder = folder or Path(__file__).resolve().parents[2]
    top = _git(folder, "rev-parse", "--show-toplevel")
    if not top or Path(top).resolve() != folder.resolve():  # installed inside somebody else's repository
        return {}
    diff = _git(folder, "diff", "HEAD") or ""
    untracked = (_git(folder, "ls-files", "--others", "--exclude-standard") or "").splitlines()
    cut = f"\n... cut at {DIFF_LIMIT} characters of {len(diff)}" if len(diff) > DIFF_LIMIT else ""
    return {
        "commit": _git(folder, "rev-parse", "HEAD"),
        "branch": _git(folder, "rev-parse", "--abbrev-ref", "HEAD"),
        "dirty": bool(diff or untracked),
        "diff": diff[:DIFF_LIMIT] + cut,
        "untracked": untracked[:100],
    }


def versions() -> dict[str, str]:
    """armature's own version and those of its direct dependencies; "" where one is missing."""
    try:
        lines = distribution("armature").requires or []
        names = [re.split(r"[^A-Za-z0-9._-]", line)[0] for line in lines if "extra ==" not in line]
    except PackageNotFoundError:
        names = ["torch", "torchvision", "pytorch-lightning", "hydra-core", "timm", "kornia", "numpy"]
    return {"python": platform.python_version()} | {name: installed(name) for name in ("armature", *sorted(names))}


def installed(name: str) -> str:
    """The version of an installed package, or ""."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def hardware() -> dict[str, Any]:
    """CPU, cores, memory (bytes) and accelerators of this machine."""
    return {
        "os": platform.platform(),
        "host": platform.node(),
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "usable_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory": memory(),
        "accelerators": accelerators(),
    }


def accelerators() -> list[dict[str, Any]]:
    """Name and memory (bytes) of each CUDA device; Apple's GPU by name."""
    import torch

    if torch.cuda.is_available():
        properties = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
        return [{"name": p.name, "memory": p.total_memory} for p in properties]
    return [{"name": "Apple GPU (MPS)", "memory": None}] if torch.backends.mps.is_available() else []


def cpu_model() -> str:
    """The processor's own name where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def memory() -> int | None:
    """Bytes of memory this process may use: the machine's, or less where a container says so."""
    limits = []
    with contextlib.suppress(ValueError, OSError, AttributeError):
        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for file in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            limits.append(int(Path(file).read_text()))
        except (OSError, ValueError):
            continue
    return min(limits) if limits else None


def environment() -> dict[str, str]:
    """SLURM's ids and the variables that change what is computed; never a secret."""
    wanted = ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "PYTHONHASHSEED", "CUBLAS_WORKSPACE_CONFIG")
    names = [n for n in os.environ if n in wanted or re.match(r"SLURM_(JOB|ARRAY|RESTART|NODE|NTASKS|NNODES)", n)]
    return {name: os.environ[name] for name in sorted(names)}


def _segment(command: Sequence[str]) -> dict[str, Any]:
    return {
        "command": shlex.join(command),
        "python": sys.executable,
        "pid": os.getpid(),
        "start": _now(),
        "end": None,
        "status": "running",
        **({"slurm": job} if (job := slurm()) else {}),
    }


def slurm() -> dict[str, Any]:
    """The SLURM job that this process belongs to, how often it has been started again, and its nodes; or nothing."""
    known = os.environ
    if "SLURM_JOB_ID" not in known:
        return {}
    array, task = known.get("SLURM_ARRAY_JOB_ID"), known.get("SLURM_ARRAY_TASK_ID")
    job = f"{array}_{task}" if array and task else known["SLURM_JOB_ID"]
    nodes = known.get("SLURM_JOB_NODELIST", "")
    return {"job": job, "restarts": int(known.get("SLURM_RESTART_COUNT") or 0), "nodes": nodes}


def _now() -> str:
    return datetime.datetime.now().astimezone().isoformat(timespec="seconds")


def _git(folder: Path, *arguments: str) -> str | None:
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False, errors="replace")
    except (OSError, subprocess.TimeoutExpired):  # no git here
        return None
    return done.stdout.strip() if done.returncode == 0 else None
