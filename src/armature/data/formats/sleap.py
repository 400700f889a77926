"""SLEAP's ``.slp``, read and written through its own package: ``pip install 'armature[sleap]'``.

SLEAP draws confidence maps with the middle of the first pixel at 0: pixel indices, 0.5 is added on reading and taken
off on writing. A node that is not visible there is not labelled. Predicted instances are read only in frames without
any that a person labelled. Pictures are files where the project was made from pictures; frames of videos have
no file, and ``armature data convert`` writes them as PNG.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from armature.data.labels import files, writing
from armature.data.labels.checking import record
from armature.data.labels.form import Category, LabelledImage, Labels, Person
from armature.errors import DataError

TITLE = "SLEAP"
LOOKS_FOR = "a .slp file"
HOLDS = {"unlabelled", "several", "empty", "tracks", "categories", "names", "edges", "flips"}


def detect(path: Path) -> str | None:
    """The first .slp file."""
    found = files.find(path, ".slp", depth=1)
    return f"{found[0].name}: a project of {TITLE}" if found else None


def _package(file: Path) -> Any:
    try:
        import sleap_io
    except ImportError as error:
        raise DataError(
            f"{file}: SLEAP's files need the package 'sleap-io', and '{error.name}' is not installed: "
            "pip install 'armature[sleap]'"
        ) from error
    return sleap_io


def read(path: Path) -> Labels:
    """The labels of one project; of a folder it is the only one."""
    found = files.find(path, ".slp", depth=1)
    if len(found) != 1:
        raise DataError(f"{path}: expected one .slp file; found {[f.name for f in found] or 'none'}")
    file = found[0]
    package = _package(file)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content = package.load_slp(os.fspath(file), open_videos=False)
            frames = list(content.labeled_frames)
    except Exception as error:  # whatever HDF5 and the package raise for a file that is none of theirs
        raise DataError(f"{file}: cannot be read as SLEAP's: {type(error).__name__}: {error}") from error
    index = files.PictureIndex(file.parent)
    kinds = {id(s): n for n, s in enumerate(content.skeletons)}
    with record(file, "skeletons"):
        categories = tuple(_category(s) for s in content.skeletons)
    images = []
    for n, frame in enumerate(frames):
        with record(file, f"frame {n}"):
            images.append(_image(frame, index, kinds))
    return Labels(file.parent, categories, tuple(images))


def _category(skeleton: Any) -> Category:
    names = tuple(str(n) for n in skeleton.node_names)
    flip = list(range(len(names)))
    for a, b in skeleton.symmetry_inds:
        flip[a], flip[b] = b, a
    edges = tuple((int(a), int(b)) for a, b in skeleton.edge_inds)
    return Category(skeleton.name or "animal", names, edges, tuple(flip) if skeleton.symmetry_inds else None)


def _image(frame: Any, index: files.PictureIndex, kinds: dict[int, int]) -> LabelledImage:
    names = frame.video.filename
    number = int(frame.frame_idx)
    people = tuple(_person(i, kinds) for i in (list(frame.user_instances) or list(frame.instances)))
    shape = frame.video.shape
    size = (int(shape[1]), int(shape[2])) if shape else (0, 0)
    if isinstance(names, list):
        found = index.find(str(names[number]))
        size = size if max(size) else files.size_of(index.root / found)
        return LabelledImage(found, size, people)
    video = Path(str(names).replace("\\", "/"))
    place = f"{video.stem}/{number:06d}.png"
    return LabelledImage(place, size, people, video=video.name, frame=number, load=lambda: _pixels(frame))


def _pixels(frame: Any) -> np.ndarray:
    try:
        frame.video.open()
        pixels = np.asarray(frame.image)
    except Exception as error:  # a video that has moved, or none of the codecs that are there
        raise DataError(f"{frame.video.filename}: frame {frame.frame_idx} cannot be read: {error}") from error
    return np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)), np.uint8)


def _person(instance: Any, kinds: dict[int, int]) -> Person:
    places = np.asarray(instance.numpy(), float)[:, :2]
    labelled = ~np.isnan(places).any(-1)
    points = np.where(labelled[:, None], places + 0.5, 0.0)
    track = str(instance.track.name) if instance.track is not None else None
    return Person(kinds[id(instance.skeleton)], points, labelled * 2, track=track)


def write(labels: Labels, folder: Path, pictures: str) -> list[str]:
    """``labels.slp`` and ``images/``: the pictures are the frames of image sequences, one for each size."""
    package = _package(folder / "labels.slp")
    where = writing.places(labels, lambda image: "images/" + image.file.removeprefix("images/"))
    gone = writing.bring_pictures(labels, folder, where, pictures)
    skeletons = [_skeleton(package, c) for c in labels.categories]
    tracks: dict[str, Any] = {}
    videos: dict[tuple[int, int], list[str]] = {}
    numbers: list[int] = []
    for image, place in zip(labels.images, where):
        videos.setdefault(image.size, []).append(place)
        numbers.append(len(videos[image.size]) - 1)
    made = {size: _video(package, names, size) for size, names in videos.items()}
    frames = []
    for image, number in zip(labels.images, numbers):
        people = [_instance(package, p, skeletons, tracks) for p in image.people if p.labelled]
        frames.append(package.LabeledFrame(video=made[image.size], frame_idx=number, instances=people))
    content = package.Labels(frames, list(made.values()), skeletons=skeletons, tracks=list(tracks.values()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        package.save_slp(content, os.fspath(folder / "labels.slp"), embed=False, verbose=False)
    return gone


def _video(package: Any, names: list[str], size: tuple[int, int]) -> Any:
    video = package.Video(filename=names, open_backend=False)
    shape = {"shape": [len(names), *size, 3], "height_": size[0], "width_": size[1], "channels_": 3}
    video.backend_metadata |= {"type": "ImageVideo", "filename": names[0], "filenames": names, **shape}
    return video


def _skeleton(package: Any, category: Category) -> Any:
    pairs = [(i, f) for i, f in enumerate(category.flip or ()) if i < f]
    names = category.keypoints
    return package.Skeleton(
        list(names),
        edges=[(names[a], names[b]) for a, b in category.edges],
        symmetries=[(names[a], names[b]) for a, b in pairs],
        name=category.name,
    )


def _instance(package: Any, one: Person, skeletons: list[Any], tracks: dict[str, Any]) -> Any:
    places = np.where(one.visibility[:, None] > 0, one.keypoints - 0.5, np.nan)
    track = None
    if one.track is not None:
        track = tracks.setdefault(one.track, package.Track(one.track))
    return package.Instance.from_numpy(places, skeleton=skeletons[one.category], track=track)
