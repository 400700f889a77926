"""An ONNX model in fewer bits: convolutions in float16 or int8, everything that computes places left in float32."""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from torch import Tensor

from armature.exporting.writing import INPUT
from armature.run_folder import write

#: Operators that compute in fewer bits. Neither products of matrices nor what decodes: float16 has no half pixels
#: beyond 1,024, and attention compares small differences.
HEAVY = ("Conv", "ConvTranspose")


def to_float16(file: Path) -> None:
    """Rewrites the model with convolutions, and the rectifiers and poolings between them, in float16."""
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    model = onnx.load(str(file))
    half = {*HEAVY, "Relu", "LeakyRelu", "MaxPool", "PRelu"}
    kept = [node.name for node in model.graph.node if node.op_type not in half]
    with _silent():
        smaller = convert_float_to_float16(model, keep_io_types=True, node_block_list=kept, disable_shape_infer=True)
    write(file, lambda temporary: onnx.save(smaller, str(temporary)))


def to_int8(file: Path, images: Tensor) -> None:
    """Rewrites the model with convolutions in int8, by the ranges that these images (B 3 H W) make them see."""
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.left = [{INPUT: image[None].numpy()} for image in images]

        def get_next(self) -> dict[str, Any] | None:
            return self.left.pop() if self.left else None

    with tempfile.TemporaryDirectory() as folder, _silent():
        target = Path(folder) / "model.onnx"
        quantize_static(
            str(file),
            str(target),
            Reader(),
            op_types_to_quantize=list(HEAVY),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        write(file, lambda temporary: temporary.write_bytes(target.read_bytes()))


#: How a model of float32 is made smaller, by the name of the precision; each is given the file and images.
SMALLER: dict[str, Callable[[Path, Tensor], None]] = {
    "float32": lambda file, images: None,
    "float16": lambda file, images: to_float16(file),
    "int8": to_int8,
}


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        root.setLevel(before)
