"""DeepLabCut's labels: a project folder or a bare ``CollectedData*.csv``.

DeepLabCut's labels are made by clicking on pictures that Matplotlib or napari show, where the centre of the first pixel
is (0, 0): pixel indices, as COCO's. Labelled points get 0.5 added here, once (``_people``).
"""

from __future__ import annotations

import csv
import hashlib
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import yaml
from numpy.typing import NDArray

from armature.data.coco import AREA_OF_BOX
from armature.data.pictures import PictureSource, climbs_out, picture_size, problems_message
from armature.errors import DataError
from armature.structures import Record, Skeleton

#: Smallest widening of a box, as a share of the picture's longer side: one labelled point has an extent of nothing.
LEAST_MARGIN = 0.02


class DeepLabCut(PictureSource):
    """The pictures and animals of a DeepLabCut project, or of one of its csv files.

    Body parts are matched to the skeleton by name; a csv may have more. An empty cell is a point with visibility 0, any
    other has 2 (labellers do not say what is hidden). There are no boxes in these files: a box is the bounds of
    the labelled points, widened on every side by ``margin`` times the longer side (at least 2 % of the picture's),
    within the picture; the area is 0.53 x box. An individual without labelled points in a frame is not in its record.
    Image ids count from 1 in the order of the files.

    Args:
        root: a folder with ``config.yaml`` and ``labeled-data/*/CollectedData_*.csv``, a folder with one
            ``CollectedData*.csv``, or a csv. Picture paths are relative to the project, or to the folder of the csv.
        margin: see above. links: allow pictures to be links out of the folder.

    Raises:
        DataError: names the file, the row and the column.
    """

    def __init__(self, root: str | Path, skeleton: Skeleton, margin: float = 0.1, links: bool = False) -> None:
        folder, files = find_labels(Path(root))
        rows = [row for file in files for row in _read(file, skeleton)]
        _check_names(files, rows)
        if not all((folder / row.file).exists() for row in rows[:1]) and project_of(files[0]) is not None:
            folder = project_of(files[0]) or folder
        digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
        records, first = [], 1
        for number, row in enumerate(rows, 1):
            records.append(_record(folder, number, row, margin, first))
            first += len(records[-1].areas)
        super().__init__(folder, records, skeleton, digest, links)

    def fields(self) -> dict[str, list[str | None]]:
        """The video of every image: its folder has that name."""
        return {"video": [PurePosixPath(record.file).parent.name for record in self.records]}


@dataclass(frozen=True)
class Row:
    """One labelled frame: keypoints (M, K, 2) in pixel indices, nan where not labelled."""

    file: str
    keypoints: NDArray[np.float64]


@dataclass(frozen=True)
class Header:
    """Where things are in a csv: index columns, and per individual and point the columns of x and y (-1: none)."""

    index: int
    columns: NDArray[np.int64]
    rows: int
    individuals: tuple[str, ...]


def find_labels(root: Path) -> tuple[Path, list[Path]]:
    """The folder that picture paths are relative to, and the csv files."""
    if root.suffix == ".csv":
        if not root.is_file():
            raise DataError(f"{root}: no such file")
        return root.parent, [root]
    if not root.is_dir():
        raise DataError(f"{root}: no such folder of a DeepLabCut project, and no csv")
    if not (root / "config.yaml").is_file():
        files = sorted(root.glob("CollectedData*.csv"))
        if len(files) == 1:
            return root, files
        raise DataError(
            f"{root}: expected config.yaml, or one CollectedData*.csv; found {[f.name for f in files] or 'neither'}"
        )
    scorer = _scorer(root / "config.yaml")
    folders = sorted(p for p in (root / "labeled-data").glob("*") if p.is_dir())
    files = [f for folder in folders if (f := _labels(folder, scorer)) is not None]
    if not files:
        raise DataError(
            f"{root}: config.yaml is there, but no labeled-data/*/CollectedData_*.csv (h5 files are not read)"
        )
    return root, files


def _scorer(config: Path) -> str | None:
    try:
        content = yaml.safe_load(config.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(f"{config}: is not YAML: {error}") from error
    if not isinstance(content, dict):
        raise DataError(f"{config}: expected the settings of a DeepLabCut project; found {content!r:.80}")
    return content.get("scorer")


def _labels(folder: Path, scorer: str | None) -> Path | None:
    files = sorted(folder.glob("CollectedData*.csv"))
    own = [f for f in files if f.stem == f"CollectedData_{scorer}"] or files
    if len(own) > 1:
        raise DataError(
            f"{folder}: labels of several people, {[f.name for f in own]}, and none of config.yaml's scorer {scorer!r}"
        )
    return own[0] if own else None


def project_of(file: Path) -> Path | None:
    """The project that a file of labels lies in, by its place; None where it is no project."""
    parts = file.resolve().parts
    return file.resolve().parents[2] if len(parts) > 3 and parts[-3] == "labeled-data" else None


def _read(file: Path, skeleton: Skeleton) -> list[Row]:
    lines = read_lines(file)
    return read_rows(file, lines, _header(file, lines, skeleton))


def read_lines(file: Path) -> list[list[str]]:
    """The lines of a csv that are not empty.

    Raises:
        DataError: names the file.
    """
    try:
        with open(file, newline="", encoding="utf-8-sig") as stream:
            return [line for line in csv.reader(stream) if any(cell.strip() for cell in line)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{file}: cannot be read as csv: {error}") from error


def read_rows(file: Path, lines: Sequence[Sequence[str]], header: Header) -> list[Row]:
    """The labelled frames below a header.

    Raises:
        DataError: names the file, the rows and the columns.
    """
    problems: list[str] = []
    rows = [_row(number, line, header, problems) for number, line in enumerate(lines[header.rows :], header.rows + 1)]
    if problems:
        raise DataError(problems_message(file, problems))
    return rows


def bodyparts_of(file: Path, lines: Sequence[Sequence[str]]) -> tuple[list[str], list[str], list[str], int, int]:
    """Individuals, body parts and coordinates of each column, the first column of places, and the rows of the header.

    Raises:
        DataError: there is no such header; names the file.
    """
    named = {line[0].strip().lower(): i for i, line in enumerate(lines[:4])}
    if not {"bodyparts", "coords"} <= set(named) or named["coords"] not in (2, 3):
        found = [line[0] for line in lines[:4]]
        raise DataError(f"{file}: expected header rows scorer, (individuals,) bodyparts, coords; found {found}")
    coords = [c.strip() for c in lines[named["coords"]]]
    bodyparts = [c.strip() for c in lines[named["bodyparts"]]]
    individuals = [c.strip() for c in lines[named["individuals"]]] if "individuals" in named else [""] * len(coords)
    index = next((i for i, c in enumerate(coords) if c == "x"), len(coords))
    if len(bodyparts) < len(coords) or len(individuals) < len(coords):
        raise DataError(f"{file}: its header rows have different lengths")
    return individuals, bodyparts, coords, index, named["coords"] + 1


def _header(file: Path, lines: Sequence[Sequence[str]], skeleton: Skeleton) -> Header:
    _, bodyparts, _, index, _ = bodyparts_of(file, lines)
    parts = set(bodyparts[index:])
    if lost := [k for k in skeleton.keypoints if k not in parts]:
        raise DataError(f"{file}: row 'bodyparts' lacks {lost} of skeleton '{skeleton.name}'; it has {sorted(parts)}")
    if extra := sorted(parts - set(skeleton.keypoints)):
        warnings.warn(
            f"{file}: body parts {extra} are not in skeleton '{skeleton.name}' and are left out", stacklevel=6
        )
    return header_of(file, lines, skeleton.keypoints)


def header_of(file: Path, lines: Sequence[Sequence[str]], keypoints: Sequence[str]) -> Header:
    """Where the places of these points stand.

    Raises:
        DataError: there is no such header; names the file.
    """
    individuals, bodyparts, coords, index, rows = bodyparts_of(file, lines)
    places = {(individuals[i], bodyparts[i], coords[i]): i for i in range(index, len(coords))}
    who = list(dict.fromkeys(individuals[index:]))
    columns = [[[places.get((w, k, c), -1) for c in "xy"] for k in keypoints] for w in who]
    return Header(index, np.array(columns), rows, tuple(who))


def _row(number: int, line: Sequence[str], header: Header, problems: list[str]) -> Row:
    name = "/".join(part.strip() for part in line[: header.index]).replace("\\", "/")
    if climbs_out(name):
        problems.append(f"row {number}: picture path leaves the folder: {name!r}")
    points = np.full(header.columns.shape, np.nan)
    for place in np.ndindex(header.columns.shape):
        column = int(header.columns[place])
        cell = line[column].strip() if 0 <= column < len(line) else ""
        try:
            points[place] = float(cell or "nan")
        except ValueError:
            problems.append(f"row {number} ({name}), column {column + 1}: {cell!r} is no number")
        if math.isinf(points[place]):
            problems.append(f"row {number} ({name}), column {column + 1}: {cell!r} is not finite")
    for i, k in np.argwhere(np.isnan(points).sum(-1) == 1):
        problems.append(f"row {number} ({name}), column {header.columns[i, k, 0] + 1}: only one of x and y is given")
    return Row(name, points)


def _check_names(files: Sequence[Path], rows: Sequence[Row]) -> None:
    names = [row.file for row in rows]
    twice = sorted({n for n in names if names.count(n) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise DataError(problems_message(files[0], [f"picture {n!r} is labelled more than once" for n in twice]))
    if not rows:
        raise DataError(f"{files[0]}: has no labelled pictures")


def _record(folder: Path, number: int, row: Row, margin: float, first: int) -> Record:
    try:
        size = picture_size(folder / row.file)
    except DataError:
        size = (0, 0)  # the check before training says what is wrong with the file
    keypoints, visibility, boxes = _people(row.keypoints, size, margin)
    sides = boxes[:, 2:] - boxes[:, :2]
    return Record(
        image_id=number,
        file=row.file,
        size=size,
        keypoints=keypoints,
        visibility=visibility,
        boxes=boxes,
        areas=AREA_OF_BOX * sides.prod(1),
        crowd=np.zeros(len(boxes), bool),
        annotation_ids=np.arange(first, first + len(boxes)),
    )


def _people(
    points: NDArray[np.float64], size: tuple[int, int], margin: float
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    labelled = ~np.any(np.isnan(points), -1)
    present = np.any(labelled, 1)
    points, labelled = points[present] + 0.5, labelled[present]
    low = np.where(labelled[..., None], points, np.inf).min(1, initial=np.inf)
    high = np.where(labelled[..., None], points, -np.inf).max(1, initial=-np.inf)
    wider = np.maximum(margin * (high - low).max(1, initial=0), LEAST_MARGIN * max(size))[:, None]
    boxes = np.concatenate([low - wider, high + wider], 1)
    if max(size):
        boxes = np.clip(boxes, 0, [size[1], size[0]] * 2)
    return np.where(labelled[..., None], points, 0.0), labelled * 2, boxes
