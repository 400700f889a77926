"""A transparent sheet above a picture: everything is drawn on it first and laid over the picture once."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

#: Drawing happens this much finer than the sheet, so that thin lines have widths between whole pixels.
_FINE = 2
#: Binary places that OpenCV keeps of a coordinate.
_SHIFT = 4

Colour = tuple[int, int, int]
Point = tuple[float, float]
_SHADE = (0, 0, 0, 120)
_HOLE = (0, 0, 0, 0)


class Ink:
    """Lines, dots and boxes in continuous pixel coordinates, kept as premultiplied RGBA.

    Premultiplied, because OpenCV's anti-aliasing on a black transparent sheet then *is* "colour over what was
    there", and a hole is simply drawn as nothing.

    Args:
        size: (H, W) of the picture that the sheet will be laid over.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size
        self._sheet = np.zeros((size[0] * _FINE, size[1] * _FINE, 4), np.uint8)

    def line(self, a: Point, b: Point, colours: tuple[Colour, Colour], width: float) -> None:
        """A line whose colour runs from one to the other."""
        steps = 1 if colours[0] == colours[1] else 8
        start, end = np.asarray(a, float), np.asarray(b, float)
        first, last = (np.asarray(c, float) for c in colours)
        for i in range(steps):
            colour = first + (last - first) * ((i + 0.5) / steps)
            self._stroke(start + (end - start) * (i / steps), start + (end - start) * ((i + 1) / steps), colour, width)

    def dashes(self, a: Point, b: Point, colours: tuple[Colour, Colour], width: float) -> None:
        """A dashed line whose colour runs from one to the other."""
        start, end = np.asarray(a, float), np.asarray(b, float)
        count = max(int(np.hypot(*(end - start)) / (4.0 * width)), 1)
        first, last = (np.asarray(c, float) for c in colours)
        for i in range(count):
            begin, stop = i / count, (i + 0.5) / count
            colour = first + (last - first) * begin
            self._stroke(start + (end - start) * begin, start + (end - start) * stop, colour, width)

    def shade(self, a: Point, b: Point, width: float) -> None:
        """The darkened edge under a line, so that it reads on any background."""
        cv2.line(self._sheet, self._at(a), self._at(b), _SHADE, self._thick(width), cv2.LINE_AA, _SHIFT)

    def dot(self, at: Point, radius: float, colour: Colour, rim: float) -> None:
        """A filled disc with a dark rim."""
        self._disc(at, radius + rim, _SHADE)
        self._disc(at, radius, (*colour, 255))

    def ring(self, at: Point, radius: float, colour: Colour, width: float, rim: float) -> None:
        """A hollow disc: whatever the sheet had inside is gone and the picture shows through."""
        self._disc(at, radius + rim, _SHADE)
        self._disc(at, radius, (*colour, 255))
        self._disc(at, max(radius - width, 0.5), _HOLE)

    def box(self, box: NDArray[np.floating], colour: Colour, width: float) -> None:
        """The outline of an xyxy box."""
        x1, y1, x2, y2 = (float(v) for v in box)
        faint = (*(c * 200 // 255 for c in colour), 200)
        for c, w in ((_SHADE, width * 2.0), (faint, width)):
            cv2.rectangle(self._sheet, self._at((x1, y1)), self._at((x2, y2)), c, self._thick(w), cv2.LINE_AA, _SHIFT)

    def over(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The picture (H W 3 uint8) with the sheet laid over it."""
        height, width = self.size
        sheet = cv2.resize(self._sheet, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)
        blended = sheet[..., :3] + image * (1.0 - sheet[..., 3:] / 255.0)
        return np.asarray(np.clip(blended + 0.5, 0, 255), np.uint8)

    def _stroke(self, a: NDArray, b: NDArray, colour: NDArray, width: float) -> None:
        paint = (*(round(c) for c in colour), 255)
        cv2.line(self._sheet, self._at(tuple(a)), self._at(tuple(b)), paint, self._thick(width), cv2.LINE_AA, _SHIFT)

    def _disc(self, at: Point, radius: float, paint: tuple[int, ...]) -> None:
        scaled = max(round(radius * _FINE * (1 << _SHIFT)), 1)
        cv2.circle(self._sheet, self._at(at), scaled, paint, cv2.FILLED, cv2.LINE_AA, _SHIFT)

    def _at(self, point: Point) -> tuple[int, int]:
        # OpenCV counts from the centre of the first pixel, we from its corner: half a fine pixel apart.
        # Far outside points are pulled in, or OpenCV's 32-bit fixed point overflows.
        limit = 4.0 * max(self.size)
        x, y = (float(np.clip(v, -limit, limit)) * _FINE - 0.5 for v in point)
        return round(x * (1 << _SHIFT)), round(y * (1 << _SHIFT))

    @staticmethod
    def _thick(width: float) -> int:
        return max(round(width * _FINE), 1)
