"""Speed of the loader beside other packages': the same work on one core, in turns.

    python -m armature.bench.loading [--images 192] [--rounds 5] [--only crop,mosaic]

Crop: JPEG of 640 x 480 -> random similarity to 256 x 192 with 17 keypoints -> colours -> normalised float batch.
Mosaic: four such JPEGs -> mosaic on 640 x 640, mirrored and coloured -> bytes. Others are measured where they are
installed. Figures are CPU time of one thread, without worker processes.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from armature import config_folders, memory, skeletons
from armature.augmentation import Photometric
from armature.data.augment.colour import Colour
from armature.data.dataset import KeypointDataset, collate
from armature.data.decoded import Decoded
from armature.data.geometry import RandomAffine
from armature.data.mosaic import Mosaic
from armature.data.pictures import PictureSource
from armature.structures import Record

#: (H, W) of the pictures, of the canvas that people are trained on, and of the mosaic's.
_PICTURE, _CANVAS, _FIELD = (480, 640), (192, 256), (640, 640)
_BATCH = 16
#: ImageNet's, of 255, by which every network here normalises.
_MEAN, _DEVIATION = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
#: Draws of all ways: on top of the letterbox, degrees, share of the canvas, probability.
_SCALE, _ROTATION, _SHIFT, _FLIP = (0.75, 1.3), 30.0, 0.1, 0.5
_COLOURS: dict[str, Any] = {"brightness": 0.3, "contrast": 0.3, "saturation": 0.3, "hue": 0.03}
_JITTER = 0.8

#: Loads so many images, and says how many it has loaded.
Way = Callable[[], int]


def make_source(folder: Path, images: int, seed: int = 0) -> PictureSource:
    """JPEGs of soft noise with edges, as large as those of photographs, and two people in each."""
    rng, records = np.random.default_rng(seed), []
    skeleton = skeletons.load(config_folders.project() / "skeleton" / "coco_person.yaml")
    for n in range(images):
        coarse = rng.integers(0, 255, (30, 40, 3), dtype=np.uint8)
        picture = cv2.resize(coarse, _PICTURE[::-1], interpolation=cv2.INTER_CUBIC)
        fine = rng.normal(0, 9, (*_PICTURE, 3))
        for _ in range(8):
            x, y, side = rng.integers(0, 500, 3)
            cv2.rectangle(picture, (int(x), int(y)), (int(x + side // 3), int(y + side // 2)), rng.random(3) * 255, -1)
        cv2.imwrite(
            str(folder / f"{n}.jpg"), np.clip(picture + fine, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 90]
        )
        points = rng.uniform(100, 380, (2, skeleton.count, 2))
        boxes = np.concatenate([points.min(1) - 5, points.max(1) + 5], 1)
        people = points, np.full(points.shape[:2], 2), boxes, np.full(2, 9000.0)
        records.append(Record(n + 1, f"{n}.jpg", _PICTURE, *people, np.zeros(2, bool), np.array([2 * n, 2 * n + 1])))
    return PictureSource(folder, records, skeleton, "bench")


def crops(source: PictureSource, folder: Path) -> dict[str, Way]:
    """The ways from a file to a normalised batch of people."""
    geometry = RandomAffine(_SCALE, _ROTATION, _SHIFT, _FLIP)
    colour = {"colour": Colour(_JITTER, **_COLOURS, grey=0.0)}
    cached = Decoded(source, _CANVAS, max(_SCALE), folder)
    whole = KeypointDataset(source, _CANVAS, geometry)
    ways = {
        "ours": _ours(KeypointDataset(source, _CANVAS, geometry, augment=colour, reduced=True)),
        "ours, decoded before": _ours(KeypointDataset(cached, _CANVAS, geometry, augment=colour, reduced=True)),
        "ours, whole pictures": _ours(KeypointDataset(source, _CANVAS, geometry, augment=colour)),
        "ours, whole pictures, colours by kornia": _ours(whole, Photometric(**_COLOURS, jitter=_JITTER)),
    }
    if importlib.util.find_spec("albumentations"):
        ways["albumentations"] = _albumentations(source)
    return ways


def mosaics(source: PictureSource, folder: Path) -> dict[str, Way]:
    """The ways from four files to one picture of 640 x 640."""
    geometry = RandomAffine((0.5, 1.5), 0.0, 0.1, 0.5)
    colour = {"colour": Colour(1.0, **_COLOURS, grey=0.0)}
    options: dict[str, Any] = {"mosaic": Mosaic(), "augment": colour, "reduced": True}
    cached = Decoded(source, _FIELD, 1.0, folder)
    ways = {
        "ours": _ours(KeypointDataset(source, _FIELD, geometry, **options), normalised=False),
        "ours, decoded before": _ours(KeypointDataset(cached, _FIELD, geometry, **options), normalised=False),
    }
    if importlib.util.find_spec("ultralytics"):
        ways["ultralytics"] = _ultralytics(source)
    return ways


def _ours(dataset: KeypointDataset, device: torch.nn.Module | None = None, normalised: bool = True) -> Way:
    epoch = iter(range(10**9))

    def load() -> int:
        number = next(epoch)
        for start in range(0, len(dataset), _BATCH):
            batch = collate([dataset[(number, i)] for i in range(start, min(start + _BATCH, len(dataset)))])
            if device is not None:
                batch.images = device(batch.images.float().div_(255)).mul_(255)
            if normalised:
                batch.images = _normalise(batch.images)
        return len(dataset)

    return load


def _normalise(images: torch.Tensor) -> torch.Tensor:
    """Float (B, 3, H, W) with ImageNet's statistics, in one pass over rows of pixels as they lie in memory."""
    batch, _, height, width = images.shape
    rows = images.permute(0, 2, 3, 1).reshape(batch * height, width * 3).float()
    factor = (1 / torch.tensor(_DEVIATION)).repeat(width)
    torch.addcmul(-torch.tensor(_MEAN).repeat(width) * factor, rows, factor, out=rows)
    return rows.view(batch, height, width, 3).permute(0, 3, 1, 2)


def _albumentations(source: PictureSource) -> Way:
    """One Compose with keypoints, the picture shrunk first, which is the quickest order; OpenCV reads the files."""
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    A: Any = importlib.import_module("albumentations")
    height, width = _CANVAS
    fit = min(height / _PICTURE[0], width / _PICTURE[1])
    steps = [
        A.Resize(round(_PICTURE[0] * fit), round(_PICTURE[1] * fit)),
        A.HorizontalFlip(p=_FLIP),
        A.Affine(scale=_SCALE, rotate=(-_ROTATION, _ROTATION), translate_percent=(-_SHIFT, _SHIFT), p=1.0),
        A.ColorJitter(*((1 - v, 1 + v) for v in list(_COLOURS.values())[:3]), hue=(-0.03, 0.03), p=_JITTER),
        A.Normalize(),
    ]
    form = A.KeypointParams(format="xy", remove_invisible=False)
    compose = A.Compose(steps, keypoint_params=form)

    def load() -> int:
        for start in range(0, len(source), _BATCH):
            images = []
            for index in range(start, min(start + _BATCH, len(source))):
                picture = cv2.cvtColor(cv2.imread(str(source.path(index))), cv2.COLOR_BGR2RGB)
                done = compose(image=picture, keypoints=source.records[index].keypoints.reshape(-1, 2))
                images.append(done["image"])
            torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
        return len(source)

    return load


def _ultralytics(source: PictureSource) -> Way:
    """Its data set of poses with its own defaults (mosaic, scale 0.5, mirrored, HSV), from YOLO's text files.

    It reads one picture a mosaic and takes the other three from the 128 that it has read before: fewer pictures than
    that would all stay in memory.
    """
    os.environ.setdefault("YOLO_VERBOSE", "false")
    get_cfg = importlib.import_module("ultralytics.cfg").get_cfg
    dataset = importlib.import_module("ultralytics.data.dataset").YOLODataset
    folder = source.root.parent / "yolo"
    _write_yolo(source, folder)
    given = {"path": str(folder), "names": {0: "person"}, "nc": 1, "kpt_shape": [17, 3], "channels": 3}
    given |= {"flip_idx": list(source.skeleton.flip)}
    arguments = get_cfg(overrides={"task": "pose", "imgsz": _FIELD[0]})
    data = dataset(
        img_path=str(folder / "images"), imgsz=_FIELD[0], augment=True, hyp=arguments, data=given, task="pose"
    )

    def load() -> int:
        for index in range(len(data)):
            data[index]
        return len(data)

    return load


def _write_yolo(source: PictureSource, folder: Path) -> None:
    (folder / "images").mkdir(parents=True, exist_ok=True)
    (folder / "labels").mkdir(exist_ok=True)
    for index, record in enumerate(source.records):
        (folder / "images" / record.file).write_bytes(source.path(index).read_bytes())
        sides = np.array(record.size[::-1], float)
        rows = []
        for box, points in zip(record.boxes.reshape(-1, 2, 2) / sides, record.keypoints / sides, strict=True):
            flags = np.full((len(points), 1), 2.0)
            numbers = np.concatenate([box.mean(0), box[1] - box[0], np.concatenate([points, flags], 1).ravel()])
            rows.append("0 " + " ".join(f"{n:.6f}" for n in numbers))
        (folder / "labels" / Path(record.file).with_suffix(".txt")).write_text("\n".join(rows))


def measure(ways: dict[str, Way], rounds: int) -> dict[str, float]:
    """Median milliseconds of CPU time an image, by way; the ways take turns, the first round does not count."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + 1):
        for name, load in ways.items():
            start = time.thread_time()
            loaded = load()
            if turn:
                times[name].append((time.thread_time() - start) / loaded * 1e3)
    return {name: statistics.median(found) for name, found in times.items()}


def show(title: str, found: dict[str, float], other: str) -> None:
    """Prints a table; the last column says how many times as many images a second as the other package."""
    table = Table(box=None, title=title, title_justify="left")
    table.add_column("way")
    for heading in ("ms an image", "images/s", f"times {other}"):
        table.add_column(heading, justify="right")
    for name, milliseconds in found.items():
        times = f"{found[other] / milliseconds:.2f}" if other in found else "-"
        table.add_row(name, f"{milliseconds:.2f}", f"{1e3 / milliseconds:,.0f}", times)
    console = Console(highlight=False)
    console.print(table)
    if other not in found:
        console.print(f"{other} is not installed: only our own ways were measured")


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=192)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="crop,mosaic")
    given = parser.parse_args(arguments)
    memory.keep_freed()  # as training does; all ways gain by it
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "pictures"
        folder.mkdir()
        source = make_source(folder, given.images)
        size = statistics.mean(path.stat().st_size for path in folder.iterdir()) / 1e3
        print(f"loading {given.images} JPEGs of 640 x 480 ({size:.0f} kB each), one core, load {_load()}")
        if "crop" in given.only:
            show("people on 256 x 192", measure(crops(source, Path(scratch)), given.rounds), "albumentations")
        if "mosaic" in given.only:
            show("mosaics of 640 x 640", measure(mosaics(source, Path(scratch)), given.rounds), "ultralytics")
    torch.set_num_threads(threads)
    return 0


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"


if __name__ == "__main__":
    raise SystemExit(main())
