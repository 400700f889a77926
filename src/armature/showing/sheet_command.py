"""From a config to sheets in a folder."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Sequence

import torch
from omegaconf import DictConfig, ListConfig

from armature import assembly
from armature.building import build
from armature.callbacks.pictures import spread
from armature.data.datamodule import KeypointData
from armature.data.dataset import KeypointDataset
from armature.data.source import Source
from armature.errors import ConfigError
from armature.module import PoseModule
from armature.showing import naming, sheets, twins
from armature.showing.output import Output
from armature.structures import Skeleton

PARTS = ("train", "val")
#: Pictures in which somebody labelled is looked for, in place of one without.
_LOOK = 12


def run(config: DictConfig) -> int:
    """Writes the sheets and says where they are; 0 when written.

    Raises:
        UserError: see ``armature data show``.
    """
    check(config)
    output, module = Output(config.output), _module(config)
    data = assembly.data(config)
    dataset = samples(data, config.part)
    chosen = choose(dataset, config.count, config.images, _elsewhere(data, config.part))
    augmentation = build(config.get("augment") or None) if config.part == "train" else None
    epoch, skeleton = int(config["pass"]), dataset.source.skeleton
    _say(dataset, config, skeleton)
    with output:
        shown = [sheets.show(dataset, (epoch, i), augmentation, module, config.seed) for i in chosen]
        written = sheets.write(shown, output, skeleton)
    print("\n".join(str(path) for path in written))
    return 0


def check(config: DictConfig) -> None:
    """Passes in silence if the verb's own keys make sense.

    Raises:
        ConfigError: names the key.
    """
    if config.part not in PARTS:
        raise ConfigError(f"part={config.part}: known are {' and '.join(PARTS)}")
    for key, least in (("count", 1), ("pass", 0), ("thumbnail", 32)):
        value = config[key]
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ConfigError(f"{key}={value}: a whole number from {least} on")
    if config.images is not None and not isinstance(config.images, ListConfig):
        raise ConfigError(f"images={config.images}: a list, images=[{config.images}]")


def samples(data: KeypointData, part: str) -> KeypointDataset:
    """The data set whose samples a run gets.

    Raises:
        ConfigError: the data have no such part.
    """
    if getattr(data, part) is None:
        raise ConfigError(f"part={part}: this data has none; give part={'val' if part == 'train' else 'train'}")
    data.workers = 0
    loader = data.train_dataloader() if part == "train" else data.val_dataloader()
    dataset = loader.dataset
    assert isinstance(dataset, KeypointDataset)
    return dataset


def choose(
    dataset: KeypointDataset, count: int, images: Sequence[str | int] | None, elsewhere: Source | None = None
) -> list[int]:
    """Indices of the pictures that are asked for.

    Args:
        elsewhere: the other part of the data, for the message about a picture that is there.

    Raises:
        ConfigError: there is no picture of that name or id, or there are several.
    """
    if images is None:
        return sorted({_with_somebody(dataset, start) for start in spread(len(dataset), count)})
    places: dict[str, set[int]] = {}
    for index, record in enumerate(dataset.source.records):
        for name in naming.names(record):
            places.setdefault(name, set()).add(index)
    return [_only(places, str(image), dataset.source, elsewhere) for image in images]


def _with_somebody(dataset: KeypointDataset, start: int) -> int:
    """The first picture from ``start`` on, of the next few, with a labelled person; ``start`` if there is none."""
    for index in range(start, min(start + _LOOK, len(dataset))):
        record = dataset.source.read(index)[1]
        if (record.visibility[~record.crowd] > 0).any():
            return index
    return start


def _only(places: dict[str, set[int]], name: str, source: Source, elsewhere: Source | None) -> int:
    found = sorted(places.get(name, ()))
    if len(found) == 1:
        return found[0]
    if found:
        raise ConfigError(f"images: {len(found)} pictures are called '{name}'; give the path or the id")
    if elsewhere is not None and any(name in naming.names(record) for record in elsewhere.records):
        raise ConfigError(f"images: '{name}' is in the other part of the data; give part={' or '.join(PARTS)}")
    listed = [record.file or str(record.image_id) for record in source.records]
    close = difflib.get_close_matches(name, listed, 1, 0.8)
    near = f", did you mean '{close[0]}'?" if close else f"; they are called {', '.join(listed[:4])}, ..."
    raise ConfigError(f"images: no picture has the name or id '{name}'{near}")


def _elsewhere(data: KeypointData, part: str) -> Source | None:
    other: Source | None = getattr(data, next(name for name in PARTS if name != part))
    return other


def _module(config: DictConfig) -> PoseModule | None:
    """The network whose codec is asked, with fresh weights or those that ``init`` names; None without targets."""
    if not config.targets:
        return None
    torch.manual_seed(config.seed)
    config.compile = False
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*has no sigmas")  # nothing is judged here
        module = assembly.assemble(config)
    if config.get("init"):
        from armature.weights import initial

        print(f"init={config.init}: {initial.start_from(module, config.init)}", flush=True)
    return module


def _say(dataset: KeypointDataset, config: DictConfig, skeleton: Skeleton) -> None:
    height, width = dataset.canvas
    canvas = f"canvas {width} x {height}" if width else "canvases of their own"
    print(f"{len(dataset):,} pictures to {'learn from' if config.part == 'train' else 'judge by'}, {canvas}")
    pairs = [(skeleton.keypoints[i], skeleton.keypoints[f]) for i, f in enumerate(skeleton.flip) if i < f]
    alone = [name for i, name in enumerate(skeleton.keypoints) if skeleton.flip[i] == i]
    shown = ", ".join(f"{a} - {b}" for a, b in pairs[:3]) + (", ..." if len(pairs) > 3 else "")
    several = "1 pair changes" if len(pairs) == 1 else f"{len(pairs)} pairs change"
    change = f"{several} places in a mirror ({shown})" if pairs else "none changes places in a mirror"
    print(f"skeleton {skeleton.name}: {skeleton.count} keypoints, {change}", flush=True)
    for doubt in twins.doubts(skeleton):
        print(f"look: {doubt}")
    if alone and pairs:
        print(f"  without a twin: {', '.join(alone[:12])}{', ...' if len(alone) > 12 else ''}")
