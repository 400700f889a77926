"""Where on a picture the network looks: each view is a canvas and the matrix that fills it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from armature.data.geometry import Matrix, Size, letterbox
from armature.data.keep_resolution import place


class View(NamedTuple):
    """One canvas of (H, W), and the matrix from the picture's pixels to the canvas's."""

    canvas: Size
    matrix: Matrix


class Views(Protocol):
    """The views of a picture of (H, W)."""

    def __call__(self, size: Size) -> list[View]: ...


@dataclass(frozen=True)
class Whole:
    """The whole picture fitted into one canvas of (H, W), as in evaluation."""

    canvas: Size

    def __call__(self, size: Size) -> list[View]:
        return [View(self.canvas, letterbox(size, self.canvas))]


@dataclass(frozen=True)
class AsLarge:
    """The whole picture at its own resolution, on the next larger canvas whose sides ``divisor`` divides."""

    divisor: int

    def __call__(self, size: Size) -> list[View]:
        return [View(*place(size, self.divisor))]
