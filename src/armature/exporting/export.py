"""From a restored run to a folder that answers without this framework, and the gate at its end."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from armature.building import build
from armature.data.geometry import ALIASING, FILL
from armature.errors import ConfigError
from armature.exporting import gate, pictures, reader_check, writing
from armature.exporting.graph import Graph, plan, poses
from armature.exporting.precision import SMALLER
from armature.restoring import Restored
from armature.run_folder import write, write_json, write_text
from armature.structures import Poses, Skeleton
from armature.weights.tensors import sha256

#: Files of the folder by what they are.
FILES = {"onnx": "model.onnx", "pt2": "model.pt2"}


@dataclass(frozen=True)
class Settings:
    """How a run is exported.

    Attributes:
        formats: of ``FILES``. precision: of the ONNX model, one of ``SMALLER``. decode: see ``graph.plan``.
        opset: of ONNX; 20 is the first with everything that the networks here need.
        source: pictures for the gate; None is the run's validation data. pictures: so many of them.

    Raises:
        ConfigError: an unknown format or precision, or one that nothing is left of.
    """

    formats: Sequence[str] = ("onnx",)
    precision: str = "float32"
    decode: bool | None = None
    opset: int = 20
    source: str | None = None
    pictures: int = 32
    tolerance: gate.Tolerance = field(default_factory=gate.Tolerance)

    def __post_init__(self) -> None:
        strange = [name for name in self.formats if name not in FILES]
        if strange or not self.formats:
            raise ConfigError(f"formats={list(self.formats)}: known are {', '.join(FILES)}, at least one")
        if self.precision not in SMALLER:
            raise ConfigError(f"precision={self.precision}: known are {', '.join(SMALLER)}")
        if self.precision != "float32" and list(self.formats) != ["onnx"]:
            raise ConfigError(f"precision={self.precision} is of ONNX models: give formats=[onnx]")
        if self.pictures < 1:
            raise ConfigError(f"pictures={self.pictures}: the gate needs at least one")


def export(restored: Restored, checkpoint: Path, folder: Path, settings: Settings) -> dict[str, Any]:
    """Writes the folder and answers what its gate.json says.

    Raises:
        UserError: no pictures for the gate, something that cannot be exported, or a folder that cannot be written.
    """
    of = pictures.of_folder if settings.source else None
    tried = of(settings.source, settings.pictures) if of else pictures.of_run(restored, settings.pictures)  # type: ignore[arg-type]
    height, width = (int(v) for v in restored.config.data.canvas)
    images = pictures.canvases(tried.calibration[: settings.pictures], (height, width), fill(restored)).images
    network = restored.module.network.to(memory_format=torch.contiguous_format).eval()  # type: ignore[call-overload]
    planned = plan(network, restored.module.codec, images[:2], settings.decode)
    program = writing.traced(planned.graph, images[:2] if len(images) > 1 else images.repeat(2, 1, 1, 1))
    folder.mkdir(parents=True, exist_ok=True)
    answers = {name: _written(name, program, planned.graph, folder, images, settings) for name in settings.formats}
    digest = sha256(checkpoint)
    _describe(restored, digest, folder, planned.graph)
    judged = gate.compare(restored, tried, answers, settings.tolerance)
    judged |= {
        "people_in_graph": planned.graph.codec is not None,
        "why_network_only": planned.why_network_only,
        "precision": settings.precision,
        "opset": settings.opset,
        "left_out": left_out(restored),
        "checkpoint_sha256": digest,
        "versions": {
            name: version(name) for name in ("torch", *(("onnxruntime",) if "onnx" in settings.formats else ()))
        },
        "bytes": {FILES[name]: (folder / FILES[name]).stat().st_size for name in settings.formats},
    }
    if "onnx" in settings.formats and planned.graph.codec is not None:
        judged["reader"] = reader_check.shift(restored, tried, folder, settings.tolerance.share)
    write_json(folder / "gate.json", judged)
    return judged


def left_out(restored: Restored) -> list[str]:
    """What the run does when it is evaluated, and no export does."""
    module = restored.module
    tests = {"flip test": module.flip_test, "multi-scale test": module.multi_scale, "proposals": module.proposals}
    return [name for name, on in tests.items() if on]


def fill(restored: Restored) -> tuple[int, int, int]:
    """The colour beside pictures."""
    red, green, blue = restored.config.data.get("fill") or FILL
    return int(red), int(green), int(blue)


def _written(
    name: str, program: torch.export.ExportedProgram, graph: Graph, folder: Path, images: Tensor, settings: Settings
) -> gate.Answer:
    """The file of a format, and how to ask it."""
    file = folder / FILES[name]
    if name == "pt2":
        writing.write_pt2(program, file)
        loaded = torch.export.load(file).module()
        return lambda x: _people(list(loaded(x)), graph, x)
    writing.write_onnx(program, graph.names, file, settings.opset)
    SMALLER[settings.precision](file, images)
    session = reader_check.session(file)

    def ask(x: Tensor) -> list[Poses]:
        values = session.run(list(graph.names), {writing.INPUT: x.numpy()})
        return _people([torch.from_numpy(value) for value in values], graph, x)

    return ask


def _people(values: list[Tensor], graph: Graph, images: Tensor) -> list[Poses]:
    if graph.codec is not None:
        return poses(values)
    outputs = dict(zip(graph.names, values, strict=True))
    return graph.decoder.decode(outputs, (images.shape[0], images.shape[2], images.shape[3]))  # type: ignore[no-any-return]


def _describe(restored: Restored, digest: str, folder: Path, graph: Graph) -> None:
    """skeleton.yaml, preprocess.json and reader.py."""
    skeleton: Skeleton = build(restored.config.skeleton)
    write_text(folder / "skeleton.yaml", yaml.safe_dump(_plain(skeleton), sort_keys=False, allow_unicode=True))
    facts = {
        "input": writing.INPUT,
        "outputs": list(graph.names),
        "people": graph.codec is not None,
        "canvas": [int(v) for v in restored.config.data.canvas],
        "fill": list(fill(restored)),
        "average_below": ALIASING,
        "coordinates": "xy, boxes xyxy, canvas px; pixel i spans [i, i + 1), so COCO's indices are 0.5 less",
        "empty_slot": "a score of -1",
        "skeleton": skeleton.name,
        "keypoints": list(skeleton.keypoints),
        "edges": [list(edge) for edge in skeleton.edges],
        "network": type(graph.network).__name__,
        "checkpoint_sha256": digest,
    }
    write_json(folder / "preprocess.json", facts)
    source = Path(reader_check.__file__).with_name("reader.py")
    write(folder / "reader.py", lambda temporary: shutil.copyfile(source, temporary))


def _plain(skeleton: Skeleton) -> dict[str, Any]:
    return {
        "name": skeleton.name,
        "keypoints": list(skeleton.keypoints),
        "edges": [list(edge) for edge in skeleton.edges],
        "flip": list(skeleton.flip),
        "sigmas": list(skeleton.sigmas) if skeleton.sigmas is not None else None,
        "colours": [list(colour) for colour in skeleton.colours],
    }
