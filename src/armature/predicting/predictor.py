"""A trained network that answers about pictures, whatever they come as."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import torch
from torch import Tensor

from armature import hardware
from armature.data.geometry import FILL, warp
from armature.data.source import Picture
from armature.errors import ConfigError
from armature.module import PoseModule
from armature.predicting.folding import fold
from armature.predicting.frames import Frame, Unread
from armature.predicting.prediction import Prediction
from armature.predicting.reading import PictureLike, as_picture
from armature.predicting.tiling import merge
from armature.predicting.views import AsLarge, View, Views, Whole
from armature.restoring import Restored
from armature.structures import Poses, Skeleton

if TYPE_CHECKING:
    from armature.tracks.tracker import Tracker

#: Lightning's names of precisions: the type of autocast, and the type of the weights; None leaves them alone.
_PRECISIONS: dict[str, tuple[torch.dtype | None, torch.dtype | None]] = {
    "32-true": (None, None),
    "bf16-mixed": (torch.bfloat16, None),
    "16-mixed": (torch.float16, None),
    "bf16-true": (None, torch.bfloat16),
    "16-true": (None, torch.float16),
}


class Predictor:
    """People on pictures, by the network, the canvas and the precision that a run was judged with.

    With ``min_score=0`` and the batch size of the run's validation its answers are those that ``armature evaluate``
    judges. A batch of another size may change them in the last bits, more in bf16.

    Args:
        module: with its weights. skeleton: of its keypoints.
        views: where on a picture the network looks. fill: RGB beside the picture.
        min_score: people below it are left out. max_people: at most so many a picture, the best; None is all.
        batch_size: canvases that go through the network together.
        precision: Lightning's name, or ``auto``: bf16 where the device multiplies it.
        device: torch's name, or ``auto``: CUDA where there is any.
        folded: fold batch normalisations into convolutions: faster, but for the last digits the same.

    Raises:
        ConfigError: an unknown device or precision, or a network that cannot be folded.
    """

    def __init__(
        self,
        module: PoseModule,
        skeleton: Skeleton,
        views: Views,
        *,
        fill: tuple[int, int, int] = FILL,
        min_score: float = 0.3,
        max_people: int | None = None,
        batch_size: int = 8,
        precision: str = "auto",
        device: str = "auto",
        folded: bool = False,
    ) -> None:
        self.skeleton, self.views, self.fill = skeleton, views, fill
        self.min_score, self.max_people, self.batch_size = min_score, max_people, batch_size
        #: The best score of anybody so far, also below ``min_score``.
        self.best = 0.0
        self.device = hardware.device(device)
        self.precision = hardware.precision(self.device.type) if precision == "auto" else precision
        if self.precision not in _PRECISIONS:
            raise ConfigError(f"precision={precision}: known are auto, {', '.join(_PRECISIONS)}")
        self._autocast, self._weights = _PRECISIONS[self.precision]
        if folded:
            fold(module.network)
        self.module = module.eval().to(self.device, self._weights)

    @classmethod
    def of_run(cls, restored: Restored, views: Views | None = None, **options: Any) -> Predictor:
        """The predictor of a restored run.

        Args:
            views: None is how the run was judged. options: of the class; batch size, precision and colour beside the
                picture are the run's where they are not given.
        """
        config, metric = restored.config, restored.module.metrics
        skeleton: Skeleton = metric.judge.skeleton  # type: ignore[union-attr, assignment]
        own: dict[str, Any] = {"fill": tuple(config.data.get("fill") or FILL), "batch_size": _judged_batch(config.data)}
        own["precision"] = config.trainer.get("precision", "auto")
        return cls(restored.module, skeleton, views or judged_views(config.data), **(own | options))

    @overload
    def predict(self, pictures: PictureLike) -> Prediction: ...  # type: ignore[overload-overlap]

    @overload
    def predict(self, pictures: Sequence[PictureLike]) -> list[Prediction]: ...

    def predict(self, pictures: PictureLike | Sequence[PictureLike]) -> Prediction | list[Prediction]:
        """The people on one picture, or a list of them for a sequence (or an array or tensor with a batch in front).

        Args:
            pictures: files, RGB or grey uint8 arrays (H, W[, C]), tensors (3, H, W) uint8 or float in [0, 1], Pillow
                images.

        Raises:
            DataError: a file that cannot be read, or an array that is no picture.
        """
        if _is_batch(pictures):
            given = list(pictures)  # type: ignore[arg-type]
            return self.find([as_picture(p) for p in given], [_name(p) for p in given])
        return self.find([as_picture(pictures)], [_name(pictures)])[0]  # type: ignore[arg-type]

    def stream(self, source: object, tracker: Tracker | None = None) -> Iterator[tuple[Frame, Prediction]]:
        """(frame, people) of everything that ``armature predict source=...`` takes, one after another: folders, videos,
        cameras. What cannot be read is a warning.

        Args:
            tracker: numbers the people; its skeleton is this predictor's.

        Raises:
            DataError: there is nothing there. UserError: a video, and PyAV is missing.
        """
        from armature.predicting import answering, frames, sources

        found = sources.find(source)
        size = 1 if found.live else self.batch_size
        items = frames.ahead(found.read(), 2 * size, newest=True) if found.live else found.read()
        for item, people in answering.asked(self, items, size):
            if people is None or isinstance(item, Unread):
                warnings.warn(f"{item.name}: {item.reason}", stacklevel=2)  # type: ignore[union-attr]
            else:
                seconds = item.index / 25 if item.seconds is None else item.seconds
                yield item, people if tracker is None else tracker.update(people, seconds)

    def find(self, pictures: Sequence[Picture], names: Sequence[str] | None = None) -> list[Prediction]:
        """The people on RGB pictures (H, W, 3) of any sizes, in their own pixels, best first."""
        found: list[list[tuple[View, Poses]]] = [[] for _ in pictures]
        for owner, view, poses in self._looked(pictures):
            found[owner].append((view, poses))
        named = names or [""] * len(pictures)
        rows = zip(found, pictures, named, strict=True)
        return [self._answer(poses, picture.shape[:2], name) for poses, picture, name in rows]

    def _answer(self, seen: list[tuple[View, Poses]], size: tuple[int, int], name: str) -> Prediction:
        every = Prediction.of(merge(seen, size), self.skeleton, size, name)
        self.best = max(self.best, float(every.scores[0]) if len(every) else 0.0)
        found = every.above(self.min_score)
        return found if self.max_people is None else found.among(list(range(min(self.max_people, len(found)))))

    def _looked(self, pictures: Sequence[Picture]) -> Iterator[tuple[int, View, Poses]]:
        """(index of the picture, view, people in the picture's pixels) of every view, batch by batch."""
        views = [(i, view) for i, picture in enumerate(pictures) for view in self.views(picture.shape[:2])]
        views.sort(key=lambda pair: pair[1].canvas)
        for canvas, alike in groupby(views, key=lambda pair: pair[1].canvas):
            # Canvases of their own size come alone, as evaluation has them.
            for batch in _parts(alike, 1 if isinstance(self.views, AsLarge) else self.batch_size):
                with self.module.clock.span("prepare"):
                    images = np.stack([warp(pictures[i], view.matrix, canvas, self.fill) for i, view in batch])
                people = self._ask(torch.from_numpy(images))
                for (owner, view), poses in zip(batch, people, strict=True):
                    back = torch.from_numpy(np.linalg.inv(view.matrix).astype(np.float32))
                    yield owner, view, poses.transform(back)

    @torch.inference_mode()
    def _ask(self, images: Tensor) -> list[Poses]:
        """People on canvases (B, H, W, 3) uint8, in the canvases' pixels."""
        channels = images.permute(0, 3, 1, 2).to(self.device).float().div_(255)
        channels = channels.to(self._weights or torch.float32).contiguous(memory_format=self.module.layout)
        device = self.device.type
        with torch.autocast(device, self._autocast, cache_enabled=False) if self._autocast else nullcontext():
            return self.module.find(channels)


def judged_views(data: Any) -> Views:
    """How a run's validation looks at pictures, from its data's config."""
    if data.get("keep_resolution"):
        return AsLarge(int(data.keep_resolution))
    return Whole((int(data.canvas[0]), int(data.canvas[1])))


def _judged_batch(data: Any) -> int:
    return int(data.get("val_batch_size") or 2 * data.get("batch_size", 4))


def _is_batch(pictures: Any) -> bool:
    if isinstance(pictures, (np.ndarray, Tensor)):
        return pictures.ndim == 4
    return isinstance(pictures, Sequence) and not isinstance(pictures, str)


def _name(picture: Any) -> str:
    return str(picture) if isinstance(picture, (str, Path)) else ""


def _parts(rows: Iterable[tuple[int, View]], size: int) -> Iterator[list[tuple[int, View]]]:
    part: list[tuple[int, View]] = []
    for row in rows:
        part.append(row)
        if len(part) == size:
            yield part
            part = []
    if part:
        yield part
