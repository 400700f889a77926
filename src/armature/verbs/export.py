"""``armature export``: a trained run as a folder that answers without this framework, and the gate that proves it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from armature import memory

SUMMARY = "write a run as ONNX or torch.export, and prove on pictures that the numbers stayed the same"
EXAMPLES = """
armature export run=runs/default/RUN
armature export run=runs/default/RUN formats=[onnx,pt2] output=exported
armature export run=runs/default/RUN precision=int8 tolerance.pixels=5 tolerance.AP=0.02
armature export run=runs/default/RUN source=photos decode=false
"""


def run(config: DictConfig, overrides: list[str], command: list[str]) -> int:
    """Writes the folder and prints the gate; 0 where it passed, 1 where something shifted too far.

    Raises:
        UserError: no such run, no pictures for the gate, or something that cannot be exported; says why.
    """
    memory.keep_freed()
    from armature import restoring
    from armature.exporting import export, gate

    settings = export.Settings(
        tuple(config.formats),
        config.precision,
        config.decode,
        config.opset,
        config.source,
        config.pictures,
        gate.Tolerance(**OmegaConf.to_container(config.tolerance)),  # type: ignore[arg-type]
    )
    restored = restoring.restore(config.run, config.checkpoint, {**(config.overrides or {}), "compile": False})
    folder = Path(config.output or restored.folder.path / "export").expanduser()
    judged = export.export(restored, restoring.checkpoint_file(restored.folder, config.checkpoint), folder, settings)
    print(_said(judged, folder))
    return 0 if judged["passed"] else 1


def _said(judged: dict[str, Any], folder: Path) -> str:
    lines = [f"{folder / name}  {size / 2**20:.1f} MiB" for name, size in judged["bytes"].items()]
    if judged["why_network_only"]:
        lines.append(f"network only, not its people: {judged['why_network_only']}")
    if judged["left_out"]:
        lines.append(f"not exported, and off in the comparison: {', '.join(judged['left_out'])}")
    lines.append(f"gate: {judged['pictures']} pictures, {judged['origin']}, through the run and through each export")
    for name, verdict in judged["exports"].items():
        lines.append(f"  {name:<6} {_moved(verdict['shift'])}; {_performance(verdict['AP'])}")
    if "reader" in judged:
        lines.append(f"  reader {_moved(judged['reader'])}; it resizes by itself, so this is told and not judged")
    allowed = judged["tolerance"]
    limits = f"at most {allowed['pixels']} px, AP {allowed['AP']}, nobody without counterpart"
    lines.append(f"gate {'passed' if judged['passed'] else 'FAILED'} ({limits}): {folder / 'gate.json'}")
    return "\n".join(lines)


def _moved(shift: dict[str, Any]) -> str:
    if shift["largest"] is None:
        return "nobody was found: nothing is proved; give pictures with people, source=FOLDER"
    lost = f", {shift['unpaired']} without counterpart" if shift["unpaired"] else ""
    far = f"{shift['largest']:.5f} px at most, {shift['mean']:.5f} on average"
    return f"{shift['people']} people, keypoints shift by {far}{lost}"


def _performance(AP: dict[str, Any]) -> str:
    if AP["difference"] is None:
        return "AP unknown (no annotations)"
    return f"AP {AP['run']:.4f} -> {AP['export']:.4f} ({AP['difference']:+.4f})"
