"""Finds people on pictures with an exported folder. Needs numpy and onnxruntime, and nothing else; copy it anywhere.

people = Exported("folder")(picture)     # picture: (H, W, 3) uint8, RGB
people["keypoints"]                      # (N, K, 2) xy in pixels of the picture: pixel i spans [i, i + 1)
"""

import json
from pathlib import Path

import numpy as np
import onnxruntime


class Exported:
    """A call finds people, best first: keypoints, keypoint_scores, boxes (xyxy), scores; names are in ``facts``."""

    def __init__(self, folder: str | Path, providers: tuple[str, ...] = ("CPUExecutionProvider",)) -> None:
        self.facts = json.loads((Path(folder) / "preprocess.json").read_text(encoding="utf-8"))
        self.session = onnxruntime.InferenceSession(str(Path(folder) / "model.onnx"), providers=list(providers))

    def __call__(self, picture: np.ndarray, min_score: float = 0.0) -> dict[str, np.ndarray]:
        canvas, scale, corner = self.canvas(picture)
        images = canvas.transpose(2, 0, 1)[None].astype(np.float32) / 255
        values = self.session.run(self.facts["outputs"], {self.facts["input"]: images})
        found = dict(zip(self.facts["outputs"], values))
        if not self.facts["people"]:  # the network's own maps, and what takes canvas px to the picture's
            return found | {"scale": np.float32(scale), "corner": corner}
        keep = found["scores"][0] >= max(min_score, 0.0)
        found = {name: value[0][keep] for name, value in found.items()}
        found["keypoints"] = (found["keypoints"] - corner) / scale
        found["boxes"] = (found["boxes"] - np.tile(corner, 2)) / scale
        return found

    def canvas(self, picture: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
        """The picture in the middle of the canvas as large as it fits, its scale, and where its corner lies (x, y)."""
        height, width = self.facts["canvas"]
        scale = min(height / picture.shape[0], width / picture.shape[1])
        corner = np.array([width - scale * picture.shape[1], height - scale * picture.shape[0]], np.float32) / 2
        pixels, factor = picture.astype(np.float32), max(2, int(1 / scale))
        if scale < self.facts["average_below"]:  # bilinear sampling would skip pixels: average them first
            rows, columns = (_averages(n, -(-n // factor)) for n in picture.shape[:2])
            pixels = np.rint(np.tensordot(np.tensordot(rows, pixels, 1), columns, (1, 1)).swapaxes(1, 2))
        down = _between(height, picture.shape[0] * scale, corner[1], pixels.shape[0])
        across = _between(width, picture.shape[1] * scale, corner[0], pixels.shape[1])
        seen = np.tensordot(np.tensordot(down, pixels, 1), across, (1, 1)).swapaxes(1, 2)
        beside = 1 - down.sum(1)[:, None, None] * across.sum(1)[:, None]
        return np.rint(seen + beside * np.float32(self.facts["fill"])).clip(0, 255).astype(np.uint8), scale, corner


def _averages(count: int, fewer: int) -> np.ndarray:
    """(fewer, count): what share of each of ``fewer`` equal pieces each pixel is."""
    edges = np.arange(fewer + 1)[:, None] * (count / fewer)
    shared = np.minimum(edges[1:], np.arange(count) + 1) - np.maximum(edges[:-1], np.arange(count))
    return (shared.clip(0) * (fewer / count)).astype(np.float32)


def _between(cells: int, size: float, start: float, count: int) -> np.ndarray:
    """(cells, count): weights of linear interpolation where ``count`` pixels lie on ``size`` cells from ``start``."""
    at = (np.arange(cells) + 0.5 - start) * (count / size) - 0.5
    return np.maximum(0, 1 - np.abs(at[:, None] - np.arange(count))).astype(np.float32)
