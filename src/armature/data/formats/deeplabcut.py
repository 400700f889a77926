"""DeepLabCut's labels: a project, or a ``CollectedData*`` csv or h5 of one or several animals.

Labels are clicked on pictures whose first pixel's centre is (0, 0): pixel indices, 0.5 is added on reading and taken
off on writing. A point that is there is visible; labellers do not say what is hidden.
The h5 says the same as the csv and is read only where there is no csv: it needs pandas and PyTables (``pip install
'armature[deeplabcut]'``), whose files can carry code: read none from strangers.
"""

from __future__ import annotations

import csv
import io
import itertools
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from armature.data import dlc
from armature.data.labels import files, writing
from armature.data.labels.checking import inside, record
from armature.data.labels.form import Category, LabelledImage, Labels, Person
from armature.errors import DataError

TITLE = "DeepLabCut"
LOOKS_FOR = "a project (config.yaml with bodyparts, labeled-data/), or a CollectedData csv or h5"
HOLDS = {"unlabelled", "several", "empty", "names", "edges", "tracks", "frames"}

SCORER = "labels"
_ANIMAL = "animal"


def detect(path: Path) -> str | None:
    """A project, or a file of labels."""
    if path.is_dir() and (path / "labeled-data").is_dir() and (path / "config.yaml").is_file():
        return f"config.yaml and labeled-data/: a project of {TITLE}"
    found = _files(path)
    return f"{found[0].name} with the header scorer, bodyparts, coords: labels of {TITLE}" if found else None


def _files(path: Path) -> list[Path]:
    """Files of labels, csv before h5; a folder without a project may have one beside or above its pictures."""
    tables = [f for f in files.find(path, ".csv", depth=2) if _header_rows(files.glance(f))]
    if tables:
        return tables
    return [f for f in files.find(path, ".h5", depth=2) if f.name.startswith("CollectedData") or path.is_file()]


def _header_rows(content: str) -> bool:
    first = [line.split(",", 1)[0].strip().lower() for line in content.lstrip("\ufeff").splitlines()[:4]]
    return "bodyparts" in first and "coords" in first


def read(path: Path) -> Labels:
    """The labels of a project or a file."""
    root, found = _place(path)
    config = _config(root / "config.yaml")
    tables = [(file, _lines(file)) for file in found]
    parts: dict[str, None] = {}
    for file, lines in tables:
        _, bodyparts, _, index, _ = dlc.bodyparts_of(file, lines)
        parts |= dict.fromkeys(b for b in bodyparts[index:])
    if not parts or "" in parts:
        raise DataError(f"{found[0]}: its row 'bodyparts' has no or empty names")
    category = Category(_ANIMAL, tuple(parts), _edges(config, list(parts)))
    images = [image for file, lines in tables for image in _images(root, file, lines, category)]
    names = [i.file for i in images]
    if twice := sorted({n for n in names if names.count(n) > 1}) if len(set(names)) < len(names) else []:
        raise DataError(f"{found[0]}: picture {twice[0]!r} is labelled more than once")
    return Labels(root, (category,), tuple(images))


def _place(path: Path) -> tuple[Path, list[Path]]:
    """The folder that pictures are relative to, and the files of labels, by the rules of ``data.dlc``."""
    try:
        folder, found = dlc.find_labels(path)
    except DataError:
        found = _files(path)
        if not found:
            raise
        folder = path if path.is_dir() else path.parent
    first = _first_picture(found[0])
    project = dlc.project_of(found[0])
    if first and not (folder / first).is_file() and project is not None:
        folder = project
    return folder, found


def _first_picture(file: Path) -> str:
    lines = _lines(file)
    header = dlc.header_of(file, lines, ())
    return "/".join(c.strip() for c in lines[header.rows][: header.index]) if len(lines) > header.rows else ""


def _lines(file: Path) -> list[list[str]]:
    if file.suffix.lower() != ".h5":
        return dlc.read_lines(file)
    try:
        import pandas
        import tables  # noqa: F401
    except ImportError as error:
        raise DataError(
            f"{file}: reading h5 needs the package '{error.name}': pip install 'armature[deeplabcut]'; or save the "
            "labels as csv in DeepLabCut (deeplabcut.convertcsv2h5 goes the other way)"
        ) from error
    try:
        stream = io.StringIO(pandas.read_hdf(file).to_csv())
    except Exception as error:  # whatever HDF5, PyTables and pandas raise for a file that is none of theirs
        raise DataError(f"{file}: cannot be read as DeepLabCut's h5: {error}") from error
    return [line for line in csv.reader(stream) if any(cell.strip() for cell in line)]


def _config(file: Path) -> dict[str, Any]:
    content = files.read_yaml(file) if file.is_file() else {}
    if not isinstance(content, dict):
        raise DataError(f"{file}: expected the settings of a DeepLabCut project; found {content!r:.60}")
    return content


def _edges(config: dict[str, Any], parts: list[str]) -> tuple[tuple[int, int], ...]:
    pairs = config.get("skeleton")
    known = [p for p in pairs if isinstance(p, list) and len(p) == 2] if isinstance(pairs, list) else []
    return tuple((parts.index(a), parts.index(b)) for a, b in known if a in parts and b in parts)


def _images(root: Path, file: Path, lines: list[list[str]], category: Category) -> list[LabelledImage]:
    header = dlc.header_of(file, lines, category.keypoints)
    images = []
    for number, row in enumerate(dlc.read_rows(file, lines, header), header.rows + 1):
        with record(file, f"row {number}"):
            picture = inside(row.file, "picture")
        people = []
        for who, places in zip(header.individuals, row.keypoints):
            labelled = ~np.isnan(places).any(-1)
            if labelled.any():
                points = np.where(labelled[:, None], places + 0.5, 0.0)
                people.append(Person(0, points, labelled * 2, track=who if who not in ("", "single") else None))
        images.append(LabelledImage(picture, files.size_of(root / picture), tuple(people), video=_video(picture)))
    return images


def _video(picture: str) -> str:
    parts = picture.split("/")
    return parts[1] if len(parts) > 2 and parts[0] == "labeled-data" else ""


def write(labels: Labels, folder: Path, pictures: str) -> list[str]:
    """A project: ``config.yaml``, and ``labeled-data/VIDEO/`` with pictures and csv (and h5, where pandas is there)."""
    chosen = _most_used(labels)
    left = sum(p.category != chosen for i in labels.images for p in i.people)
    category = labels.categories[chosen]
    where = writing.places(labels, lambda image: f"labeled-data/{_folder(image)}/{image.file.rpartition('/')[2]}")
    gone = writing.bring_pictures(labels, folder, where, pictures)
    who = _individuals(labels, chosen)
    videos: dict[str, list[tuple[LabelledImage, str]]] = {}
    for image, place in zip(labels.images, where):
        videos.setdefault(place.split("/")[1], []).append((image, place))
    for video, group in videos.items():
        rows = [_row(image, place, who, category, chosen) for image, place in group]
        _write_table(folder / "labeled-data" / video, _head(category, who), rows)
    (folder / "config.yaml").write_text(_settings(category, who, list(videos)), encoding="utf-8")
    frames = sum(i.frame is not None for i in labels.images)
    gone += [f"{frames} pictures' frame numbers"] if frames else []
    others = [c.name for n, c in enumerate(labels.categories) if n != chosen]
    return gone + ([f"{left} people of other categories than '{category.name}': {', '.join(others)}"] if left else [])


def _most_used(labels: Labels) -> int:
    used = Counter(p.category for i in labels.images for p in i.people if p.labelled)
    if not any(c.keypoints for c in labels.categories):
        raise DataError(f"{labels.root}: has no keypoints, and {TITLE} needs some")
    return max(range(len(labels.categories)), key=lambda n: (len(labels.categories[n].keypoints) > 0, used[n]))


def _folder(image: LabelledImage) -> str:
    folders = [p for p in image.file.split("/")[:-1] if p not in ("images", "labeled-data")]
    return Path(image.video).name or "_".join(folders) or "pictures"


def _individuals(labels: Labels, chosen: int) -> list[str]:
    """Names of the animals, and as many more as a picture has nameless ones; [""] for one nameless a picture."""
    own = [[p for p in i.people if p.category == chosen and p.labelled] for i in labels.images]
    tracks = list(dict.fromkeys(p.track for people in own for p in people if p.track is not None))
    nameless = max((sum(p.track is None for p in people) for people in own), default=0)
    if not tracks and nameless < 2:
        return [""]
    free = (name for n in itertools.count(1) if (name := f"animal{n}") not in tracks)
    return tracks + list(itertools.islice(free, nameless))


def _head(category: Category, who: Sequence[str]) -> list[list[str]]:
    columns = [(w, k, c) for w in who for k in category.keypoints for c in "xy"]
    rows = [["scorer", "", "", *[SCORER] * len(columns)]]
    rows += [["individuals", "", "", *(w for w, _, _ in columns)]] if who != [""] else []
    return [*rows, ["bodyparts", "", "", *(k for _, k, _ in columns)], ["coords", "", "", *(c for *_, c in columns)]]


def _row(image: LabelledImage, place: str, who: Sequence[str], category: Category, chosen: int) -> list[str]:
    own = [p for p in image.people if p.category == chosen and p.labelled]
    seats: dict[str, Person] = {p.track: p for p in own if p.track is not None}
    if len(seats) < sum(p.track is not None for p in own):
        raise DataError(f"{image.file}: two people have the same track id")
    free = iter(w for w in who if w not in seats)
    seats |= {next(free): p for p in own if p.track is None}
    cells = list(place.split("/"))
    for w in who:
        for k in range(len(category.keypoints)):
            seen = w in seats and seats[w].visibility[k] > 0
            cells += [str(writing.plain(v)) for v in seats[w].keypoints[k] - 0.5] if seen else ["", ""]
    return cells


def _write_table(folder: Path, head: list[list[str]], rows: list[list[str]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"CollectedData_{SCORER}.csv"
    with open(file, "w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([*head, *rows])
    try:
        import pandas
        import tables  # noqa: F401
    except ImportError:
        return
    columns = pandas.MultiIndex.from_arrays([row[3:] for row in head], names=[row[0] for row in head])
    index = pandas.MultiIndex.from_tuples([tuple(row[:3]) for row in rows])
    values = np.array([[float(cell or "nan") for cell in row[3:]] for row in rows]).reshape(len(rows), -1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTables on names that are no Python identifiers
        pandas.DataFrame(values, index, columns).to_hdf(file.with_suffix(".h5"), key="df_with_missing", mode="w")


def _settings(category: Category, who: Sequence[str], videos: Sequence[str]) -> str:
    several = list(who) != [""]
    content: dict[str, Any] = {"Task": "labels", "scorer": SCORER, "date": "Jan1", "multianimalproject": several}
    content |= {"identity": False, "project_path": "", "video_sets": {v: {"crop": "0, 0, 0, 0"} for v in videos}}
    content |= {"individuals": list(who), "multianimalbodyparts": list(category.keypoints)} if several else {}
    content["bodyparts"] = "MULTI!" if several else list(category.keypoints)
    content["uniquebodyparts"] = []
    content["skeleton"] = [[category.keypoints[a], category.keypoints[b]] for a, b in category.edges]
    content |= {"TrainingFraction": [0.95], "iteration": 0, "snapshotindex": -1, "batch_size": 8, "dotsize": 8}
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
