"""An annotated film, written in parts so that an interrupted one goes on, and put together at the end."""

from __future__ import annotations

import shutil
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from armature.data.source import Picture
from armature.predicting.video import pyav

#: Ticks a second, MPEG's usual.
_TICKS = 90_000
#: Folder of the parts within the folder of answers.
PARTS = ".parts"


class Film:
    """Frames at the times they have in their source, as H.264 where PyAV has it, else MPEG-4.

    Args:
        file: of the whole. parts: how many are there already, from before an interruption.
        rate: frames a second, for the file's header; None is 25.

    Raises:
        UserError: PyAV is missing.
    """

    def __init__(self, file: Path, rate: float | None = None, parts: int = 0) -> None:
        self._av = pyav()
        self.file, self.folder, self.parts = file, file.parent / PARTS, parts
        self._rate = Fraction(rate or 25.0).limit_denominator(1001)
        self._container: Any = None
        self._stream: Any = None
        self._last = -1
        self.folder.mkdir(parents=True, exist_ok=True)

    def write(self, picture: Picture, seconds: float | None, index: int) -> None:
        """The next frame; ``seconds`` None goes by the rate."""
        if self._container is None:
            self._begin(picture)
        height, width = self._stream.height, self._stream.width
        if picture.shape[:2] != (height, width):
            picture = _fitted(picture, height, width)
        frame = self._av.VideoFrame.from_ndarray(picture, format="rgb24")
        at = float(index / self._rate) if seconds is None else seconds
        self._last = max(round(at * _TICKS), self._last + 1)
        frame.pts, frame.time_base = self._last, Fraction(1, _TICKS)
        self._container.mux(self._stream.encode(frame))

    def _begin(self, picture: Picture) -> None:
        codec = "libx264" if "libx264" in self._av.codecs_available else "mpeg4"
        self._container = self._av.open(str(self._part(self.parts)), "w")
        self._stream = self._container.add_stream(codec, rate=self._rate)
        # Half the colour resolution needs even sides.
        self._stream.width, self._stream.height = picture.shape[1] // 2 * 2, picture.shape[0] // 2 * 2
        self._stream.pix_fmt, self._stream.time_base = "yuv420p", Fraction(1, _TICKS)
        self._stream.codec_context.time_base = Fraction(1, _TICKS)
        # Without B-frames parts can be put together by copying what is encoded.
        self._stream.options = {"crf": "21", "preset": "veryfast", "bf": "0"} if codec == "libx264" else {"qscale": "3"}

    def commit(self) -> int:
        """Closes the part at hand; how many whole ones there are."""
        if self._container is not None:
            self._container.mux(self._stream.encode(None))
            self._container.close()
            self._container, self.parts = None, self.parts + 1
        return self.parts

    def close(self) -> None:
        """Leaves whole parts, and drops the one at hand."""
        if self._container is not None:
            self._container.close()
            self._container = None
            self._part(self.parts).unlink(missing_ok=True)

    def finish(self) -> Path | None:
        """The whole film; None where there was no frame."""
        count = self.commit()
        if count:
            scratch = self.file.with_name(f".{self.file.name}.partial.mp4")
            with self._av.open(str(scratch), "w", options={"movflags": "faststart"}) as whole:
                out: Any = None
                for number in range(count):
                    with self._av.open(str(self._part(number))) as part:
                        stream = part.streams.video[0]
                        out = out or whole.add_stream_from_template(stream)
                        for packet in part.demux(stream):
                            if packet.dts is not None:
                                packet.stream = out
                                whole.mux(packet)
            scratch.replace(self.file)
        shutil.rmtree(self.folder, ignore_errors=True)
        return self.file if count else None

    def _part(self, number: int) -> Path:
        return self.folder / f"{number:06d}.mkv"


def _fitted(picture: Picture, height: int, width: int) -> Picture:
    """The same size but for an odd row and column, or else resized: streams may change their size."""
    if (picture.shape[0] // 2 * 2, picture.shape[1] // 2 * 2) == (height, width):
        return np.ascontiguousarray(picture[:height, :width])
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
