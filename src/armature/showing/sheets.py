"""Contact sheets: one for every picture with all that becomes of it, and one for every stage with all pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from armature.data.dataset import KeypointDataset
from armature.data.source import Picture
from armature.module import PoseModule
from armature.reports.ink import Colour
from armature.reports.overlays import contact_sheet, headed
from armature.showing import naming, panels, stages, targets, twins
from armature.showing.output import Output
from armature.showing.panels import Panel
from armature.showing.stages import Stage
from armature.structures import Skeleton

#: Panels in a row.
COLUMNS = 5
#: Px of a panel's longer side, and of the white between panels.
SIDE, _GAP = 360, 10
#: More keypoints than this are not named.
_NAMED = 40
_PAPER, _TEXT, _QUIET = (255, 255, 255), (28, 30, 34), (96, 102, 112)


@dataclass
class Shown:
    """One picture and all panels of it, by the part of the sheet that they belong to.

    ``model``: whose targets are shown. ``idle``: stages that have changed nothing.
    """

    title: str
    name: str
    model: str = ""
    idle: tuple[str, ...] = ()
    parts: dict[str, list[Panel]] = field(default_factory=dict)


def show(
    dataset: KeypointDataset,
    draw: tuple[int, int],
    augmentation: object | None,
    module: PoseModule | None,
    seed: int,
    side: int = SIDE,
) -> Shown:
    """All panels of one sample.

    Args:
        draw: (pass, index). augmentation: of the batch, or None. module: whose targets are shown, or None.
        seed: of what is drawn on the batch and of what the codec samples.
    """
    skeleton, (epoch, index) = dataset.source.skeleton, draw
    record = dataset.source.read(index, epoch)[1]
    shown = Shown(naming.title(record), naming.file_name(record))
    found, sample = stages.of_loader(dataset, draw)
    more, batch = stages.of_batch(augmentation, sample, seed)  # type: ignore[arg-type]
    shown.parts["stages"] = [_stage(stage, skeleton, side) for stage in (*found, *more) if not stage.same]
    shown.idle = tuple(stage.name.removeprefix("+ ") for stage in (*found, *more) if stage.same)
    canvas = sample.image.shape[0], sample.image.shape[1]
    shown.parts["twins"] = _twins(dataset, draw, canvas, side)
    if module is not None:
        shown.model = type(module.model).__name__
        told = targets.tell(module, batch, skeleton, seed)
        if told.learns:
            shown.parts["targets"] = targets.draw(told, (more or found)[-1].image, skeleton, 0, side)
    return shown


def _stage(stage: Stage, skeleton: Skeleton, side: int) -> Panel:
    """A panel; what a mirror has done shows in the colours."""
    height, width = stage.image.shape[:2]
    return Panel(f"{stage.name}, {width} x {height}", panels.labelled(stage.image, stage.people, skeleton, side))


def _twins(dataset: KeypointDataset, draw: tuple[int, int], canvas: tuple[int, int], side: int) -> list[Panel]:
    epoch, index = draw
    skeleton = twins.by_side(dataset.source.skeleton)
    both = twins.pair(dataset.source, index, canvas, epoch, dataset.fill)
    headings = "as it is: left orange, right blue", "mirrored: left orange, right blue"
    return [
        Panel(heading, panels.labelled(sample.image, stages.people_of_sample(sample), skeleton, side))
        for heading, sample in zip(headings, both, strict=True)
    ]


def write(shown: Sequence[Shown], output: Output, skeleton: Skeleton) -> list[Path]:
    """Writes the sheets and returns their paths: first those of all pictures, then one for each picture."""
    written = []
    kinds = {"stages": "as read", "training": "as the network gets it", "twins": "twins in a mirror"}
    for kind, words in kinds.items():
        cells = [panel for one in shown for panel in _of_kind(one, kind)]
        names = skeleton if kind != "twins" else None
        sheet = titled(grid(cells, 4), f"{len(shown)} pictures, {words}", names)
        written.append(output.picture(f"all_{naming.slug(words)}.png", sheet))
    for number, one in enumerate(shown, 1):
        written.append(output.picture(f"{number:02d}_{one.name}.png", of_picture(one, skeleton)))
    return written


def _of_kind(one: Shown, kind: str) -> list[Panel]:
    stages_of, twins_of = one.parts["stages"], one.parts["twins"]
    chosen = {"stages": stages_of[:1], "training": stages_of[-1:], "twins": twins_of}[kind]
    return [Panel(one.title if i == 0 else panel.heading, panel.image) for i, panel in enumerate(chosen)]


def of_picture(shown: Shown, skeleton: Skeleton, columns: int = COLUMNS) -> Picture:
    """The sheet of one picture: its stages, its twins, its targets, each part below the other."""
    idle = f" (this time without change by {', '.join(shown.idle)})" if shown.idle else ""
    words = {
        "stages": f"What becomes of the picture{idle}",
        "twins": "The largest person in a mirror: each colour must be on the side that looks the same",
        "targets": f"What the network is told: targets of {shown.model}",
    }
    rows = []
    for part, found in shown.parts.items():
        rows += [_line(words[part], columns), grid(found, columns)]
    return titled(_stacked(rows), shown.title, skeleton)


def grid(found: Sequence[Panel], columns: int) -> Picture:
    """Panels row by row under their headings, all in cells of one size, on white."""
    width = max(panel.image.shape[1] for panel in found)
    cells = [headed(_padded(panel.image, width), _cut(panel.heading, width)) for panel in found]
    empty = columns - len(cells)
    blank = np.full((1, width, 3), _PAPER, np.uint8)
    return contact_sheet([*cells, *[blank] * max(empty, 0)], columns, width, _GAP)


def titled(sheet: Picture, title: str, skeleton: Skeleton | None) -> Picture:
    """The sheet under a title and the names of the keypoints in their colours, with a white margin.

    ``skeleton``: None names the sides in place of the keypoints.
    """
    margin = 16
    head = _head(title, _legend(skeleton), sheet.shape[1])
    whole = np.concatenate([head, sheet])
    height = whole.shape[0]
    framed = np.full((height + 2 * margin, sheet.shape[1] + 2 * margin, 3), _PAPER, np.uint8)
    framed[margin : margin + height, margin:-margin] = whole
    return framed


def _legend(skeleton: Skeleton | None) -> list[tuple[str, Colour]]:
    if skeleton is None:
        return [("left", twins.LEFT), ("right", twins.RIGHT), ("neither", twins.MIDDLE)]
    few = skeleton.count <= _NAMED
    return list(zip(skeleton.keypoints, skeleton.colours, strict=True)) if few else []


def _head(title: str, legend: Sequence[tuple[str, Colour]], width: int) -> Picture:
    """The title, and names beside their colours, in as many lines as they need."""
    font, wide = _font(14), max(width, 200)
    at, x, y = [], 0, 36
    for name, _ in legend:
        long = int(font.getlength(name)) + 36
        x, y = (0, y + 22) if x and x + long > wide else (x, y)
        at.append((x, y))
        x += long
    strip = Image.new("RGB", (width, y + 28 if legend else 32), _PAPER)
    pen = ImageDraw.Draw(strip)
    pen.text((0, 0), title, fill=_TEXT, font=_font(22))
    for (name, colour), (x, y) in zip(legend, at, strict=True):
        pen.ellipse((x, y + 2, x + 12, y + 14), fill=colour, outline=(60, 60, 60))
        pen.text((x + 18, y), name, fill=_QUIET, font=font)
    return np.asarray(strip)


def _line(text: str, columns: int) -> Picture:
    strip = Image.new("RGB", (columns * SIDE + (columns - 1) * _GAP, 44), _PAPER)
    pen = ImageDraw.Draw(strip)
    pen.text((0, 14), text, fill=_TEXT, font=_font(18))
    return np.asarray(strip)


def _stacked(rows: Sequence[Picture]) -> Picture:
    width = max(row.shape[1] for row in rows)
    return np.concatenate([_padded(row, width, left=True) for row in rows])


def _padded(image: Picture, width: int, left: bool = False) -> Picture:
    if image.shape[1] == width:
        return image
    canvas = np.full((image.shape[0], width, 3), _PAPER, np.uint8)
    start = 0 if left else (width - image.shape[1]) // 2
    canvas[:, start : start + image.shape[1]] = image[:, :width]
    return canvas


def _cut(text: str, width: int) -> str:
    """The text as far as it fits above a picture of this width."""
    most = max(width // 7, 8)
    return text if len(text) <= most else text[: most - 3] + "..."


def _font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)
