"""A graph as a file: ONNX, or torch.export's own format."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from armature.errors import ConfigError, UserError
from armature.exporting.graph import Graph
from armature.run_folder import write

#: The name of a graph's input: float32 RGB in [0, 1], (B, 3, H, W).
INPUT = "images"
#: More images than this at once are a mistake, and tracing needs a bound.
MOST_IMAGES = 1024


def traced(graph: Graph, images: Tensor) -> torch.export.ExportedProgram:
    """The graph as torch.export's program, for any number of images of this size.

    Args:
        images: at least two: one is a special case to a tracer.

    Raises:
        UserError: the network does what depends on its input; names the place.
    """
    batch = torch.export.Dim("batch", min=1, max=MOST_IMAGES)
    with torch.no_grad(), _quiet():
        try:
            return torch.export.export(graph, (images,), dynamic_shapes=({0: batch},), strict=False)
        except Exception as error:
            line = next((text for text in str(error).splitlines() if text.strip()), type(error).__name__)
            raise UserError(
                f"{type(graph.network).__name__} cannot be exported: its computation depends on the input in a way "
                f"that a graph cannot hold: {line}"
            ) from error


def write_pt2(program: torch.export.ExportedProgram, file: Path) -> None:
    """The program where ``torch.export.load`` finds it; torchvision's operators need ``import torchvision`` there."""
    with _quiet():
        write(file, lambda temporary: _save_pt2(program, temporary))


def _save_pt2(program: torch.export.ExportedProgram, temporary: Path) -> None:
    # Torch insists on the ending .pt2 of a file, but not of a stream.
    stream = io.BytesIO()
    torch.export.save(program, stream)
    temporary.write_bytes(stream.getvalue())


def write_onnx(program: torch.export.ExportedProgram, names: tuple[str, ...], file: Path, opset: int) -> None:
    """The program as an ONNX model whose first dimension is free.

    Raises:
        ConfigError: onnx is not installed, or an operator has no counterpart in this opset.
    """
    with _quiet():
        try:
            made = torch.onnx.export(
                program, (), dynamo=True, opset_version=opset, input_names=[INPUT], output_names=list(names),
                verbose=False,
            )  # fmt: skip
        except ImportError as error:
            raise ConfigError(
                f"formats=[onnx] needs the package {error.name}: pip install 'armature[export]'"
            ) from error
        except Exception as error:
            line = next((text for text in str(error).splitlines() if text.strip()), type(error).__name__)
            raise ConfigError(
                f"formats=[onnx], opset={opset}: an operator of the network is missing: {line}"
            ) from error
        assert made is not None
        write(file, lambda temporary: made.save(str(temporary)))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporters' talk of their own inside."""
    names = ("torch.onnx", "torch.export", "torch._export", "onnxscript", "onnx_ir")
    before = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
