"""``armature system``: is this machine fit to train on, and how?"""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig

from armature import config_folders, provenance

SUMMARY = "checks versions, accelerators, W&B and folders, and says what is wrong"
EXAMPLES = """
armature system
armature system runs=/data/runs
"""

GIB = 2**30
#: Packages that some commands and tests use and that nothing else needs.
OPTIONAL = {"faster-coco-eval": "a second opinion in `make bench`", "beartype": "shape checks in tests"}


@dataclass(frozen=True)
class Finding:
    """One line of the table; ``level`` is ok, note (works, but worse than it could) or fail."""

    topic: str
    what: str
    level: str = "ok"
    advice: str = ""


def run(config: DictConfig, overrides: list[str], command: list[str]) -> int:
    """0 if training can start on this machine, 1 if something must be mended first."""
    findings = [*_versions(), *_processor(), *_accelerators(), *_wandb(), *_folders(Path(config.runs)), *_packages()]
    _show(findings)
    return int(any(finding.level == "fail" for finding in findings))


def _versions() -> Iterator[Finding]:
    own = provenance.installed("armature") or "not installed"
    yield Finding("armature", f"{own}, configs in {config_folders.project()}")
    yield Finding("python", f"{platform.python_version()} on {platform.platform()}")
    for name, version in provenance.versions().items():
        if not version:
            yield Finding(name, "missing", "fail", f"pip install {name}")
    try:
        import torchvision
        from torchvision.ops import nms  # fails where torch and torchvision do not belong together
    except (ImportError, RuntimeError) as error:
        yield Finding("torchvision", str(error).splitlines()[0], "fail", "install the pair that was released together")
        return
    import pytorch_lightning
    import torch

    assert nms
    pair = (
        f"torch {torch.__version__}, torchvision {torchvision.__version__}, lightning {pytorch_lightning.__version__}"
    )
    yield Finding("torch", pair)


def _processor() -> Iterator[Finding]:
    import torch

    from armature import hardware

    cores, memory = hardware.cores(), provenance.memory()
    usable = f"{cores} usable of {os.cpu_count()} cores, {torch.get_num_threads()} torch threads"
    yield Finding("processor", f"{provenance.cpu_model()}, {usable}")
    if hardware.cpu_has_bf16():
        yield Finding("bf16 on the CPU", "matrix instructions: trainer.precision=auto trains in bf16-mixed")
    else:
        yield Finding("bf16 on the CPU", "no instructions for it: trainer.precision=auto trains in float32")
    enough = memory is None or memory >= 4 * GIB
    text = "unknown" if memory is None else f"{memory / GIB:.1f} GiB"
    yield Finding("memory", text, "ok" if enough else "note", "" if enough else "the default run takes about 4 GiB")


def _accelerators() -> Iterator[Finding]:
    import torch

    found = provenance.accelerators()
    for device in found:
        size = f", {device['memory'] / GIB:.0f} GiB" if device["memory"] else ""
        yield Finding("accelerator", f"{device['name']}{size}: trainer=gpu")
    if not found:
        built = f"torch is built for CUDA {torch.version.cuda}" if torch.version.cuda else "torch is built without CUDA"
        yield Finding("accelerator", f"none ({built}): trainer=cpu")


def _wandb() -> Iterator[Finding]:
    """What a run will do; nobody is called and nothing is asked."""
    from armature.tracking import logged_in

    mode, server = os.environ.get("WANDB_MODE", ""), os.environ.get("WANDB_BASE_URL", "")
    if mode in ("disabled", "dryrun", "offline"):
        yield Finding("W&B", f"{mode} by WANDB_MODE")
    elif logged_in():
        yield Finding("W&B", "logged in: runs are sent as they go" + (f" to {server}" if server else ""))
    else:
        yield Finding("W&B", "not logged in: runs stay offline in their folder; `armature sync` sends them later")


def _folders(runs: Path) -> Iterator[Finding]:
    cache = Path(os.environ.get("TORCH_HOME", Path.home() / ".cache"))
    for topic, folder in (("runs", runs), ("temporary files", Path(tempfile.gettempdir())), ("cache", cache)):
        there = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
        free = shutil.disk_usage(there).free
        what = f"{folder.absolute()}, {free / GIB:.0f} GiB free"
        if not _writable(there):
            advice = "; runs=FOLDER chooses another" if topic == "runs" else ""
            yield Finding(topic, what, "fail", f"{there} cannot be written{advice}")
        elif free < 2 * GIB:
            yield Finding(topic, what, "note", "nearly full")
        else:
            yield Finding(topic, what)
    shared = Path("/dev/shm")
    if shared.is_dir() and shutil.disk_usage(shared).free < GIB // 2:
        yield Finding(
            "shared memory", f"{shutil.disk_usage(shared).free >> 20} MiB", "note", "if loaders die: data.workers=0"
        )


def _writable(folder: Path) -> bool:
    try:
        with tempfile.NamedTemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _packages() -> Iterator[Finding]:
    for name, purpose in OPTIONAL.items():
        version = provenance.installed(name)
        yield Finding(name, version) if version else Finding(name, "not installed", "ok", f"optional: {purpose}")


def _show(findings: list[Finding]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    marks = {"ok": "[green]ok[/]", "note": "[yellow]note[/]", "fail": "[bold red]fail[/]"}
    table = Table(box=None, pad_edge=False, show_header=False)
    for style in ({}, {"no_wrap": True, "style": "bold"}, {"overflow": "fold"}):
        table.add_column(**style)  # type: ignore[arg-type]
    for finding in findings:
        advice = f"\n[dim]{escape(finding.advice)}[/]" if finding.advice else ""
        table.add_row(marks[finding.level], finding.topic, escape(finding.what) + advice)
    console = Console()
    console.print(table)
    failed = [finding.topic for finding in findings if finding.level == "fail"]
    verdict = (
        f"[bold red]to mend before training: {', '.join(failed)}[/]" if failed else "[bold green]ready to train[/]"
    )
    console.print(verdict)
