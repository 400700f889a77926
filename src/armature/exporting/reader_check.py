"""The small folder's own reader on the gate's pictures: it resizes by numpy, and so a little otherwise than OpenCV."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from armature.errors import ConfigError
from armature.exporting import gate
from armature.exporting.pictures import Tried
from armature.restoring import Restored
from armature.structures import Poses


def session(file: Path) -> Any:
    """onnxruntime's session of a model, on the CPU.

    Raises:
        ConfigError: onnxruntime is not installed, or lacks an operator of the model.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise ConfigError("the gate of formats=[onnx] needs onnxruntime: pip install 'armature[export]'") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        line = str(error).splitlines()[0]
        raise ConfigError(f"{file}: onnxruntime {onnxruntime.__version__} cannot run this model: {line}") from error


def shift(restored: Restored, tried: Tried, folder: Path, share: float) -> dict[str, Any]:
    """How far what the folder's reader finds lies from what the run finds, both from the pictures themselves."""
    read = load(folder)(folder)
    found = [_poses(read(picture)) for picture in tried.pictures]
    return asdict(gate.shift(gate.own_answers(restored, tried), found, share))


def load(folder: Path) -> Callable[[Path], Callable[..., dict[str, Any]]]:
    """The class ``Exported`` of a folder's reader.py."""
    # An import would leave its bytecode in the folder that is handed on.
    return runpy.run_path(str(folder / "reader.py"))["Exported"]  # type: ignore[no-any-return]


def _poses(found: dict[str, Any]) -> Poses:
    fields = ("keypoints", "keypoint_scores", "boxes", "scores")
    return Poses(*(torch.as_tensor(found[name], dtype=torch.float32) for name in fields))
