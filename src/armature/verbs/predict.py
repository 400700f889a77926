"""``armature predict``: people on pictures, videos and cameras, drawn and in formats that other programs read."""

from __future__ import annotations

import glob
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from armature import memory
from armature.building import build
from armature.data.nearby import absent
from armature.errors import ConfigError, DataError, Interrupted

if TYPE_CHECKING:
    from armature.predicting.answering import Done, Job
    from armature.predicting.predictor import Predictor
    from armature.restoring import Restored

SUMMARY = "find people on pictures, videos and cameras with a trained run; draws them and writes results"
EXAMPLES = """
armature predict run=runs/default/RUN source=photos
armature predict run=runs/default/RUN source='photos/**/*.jpg' output=answers min_score=0.5 formats=[coco,yolo]
armature predict run=runs/openfield/RUN source=mouse.mp4 tracker=oks_smooth formats=[deeplabcut] max_people=1
armature predict run=runs/default/RUN source=large.tif tiles=grid flip_test=true
armature predict run=runs/default/RUN source=0 limit=300
cat photo.jpg | armature predict run=runs/default/RUN source=- output=- | jq .people
"""
#: Files that are named when some could not be read; the others are counted.
_SHOWN = 20


def run(config: DictConfig, overrides: list[str], command: list[str]) -> int:
    """Answers every picture of the source; 0 when all could be read, 1 otherwise.

    Raises:
        UserError: no such run or source, or nothing can be written. Interrupted: the same command goes on from there.
    """
    memory.keep_freed()
    _check_source(config.source)
    from armature import restoring
    from armature.predicting import answering, leftovers, sources

    _check(config)
    folder = Path(config.output)
    own = [] if config.output == "-" else [folder]
    listed = OmegaConf.to_container(config.source) if OmegaConf.is_config(config.source) else config.source
    source = sources.find(listed, config.exif, own)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*has no sigmas")  # nothing is judged here
        restored = restoring.restore(config.run, config.checkpoint, config.overrides)
    before = leftovers.stamps(folder) if own else {}
    job = _job(config, restored, source, folder)
    if job.lines.resumed:
        print(f"goes on after {job.lines.place.read} pictures (resume=false begins again)", file=sys.stderr)
    try:
        done = answering.run(job)
    except answering.Stopped as stop:
        count = job.lines.place.read
        raise Interrupted(f"interrupted after {count} pictures; the same command goes on from there") from stop
    _tell(config, job, done)
    if not job.lines.resumed and (left := leftovers.told(folder, before)):  # else they are its own
        warnings.warn(left, stacklevel=2)
    return 1 if done.place.unread else 0


def _check_source(source: Any) -> None:
    """A path that is not there is found before anything is imported; what else may be named is for ``sources``."""
    text = str(source)
    if not isinstance(source, str) or text == "-" or text.isdigit() or "://" in text or glob.has_magic(text):
        return
    if not Path(text).expanduser().exists():
        raise DataError(f"source={absent(text)}")


def _check(config: DictConfig) -> None:
    """Mistakes that are cheaper to find before a network is loaded."""
    from armature.predicting.formats import FORMATS

    for name in _formats(config):
        if name not in FORMATS:
            raise ConfigError(f"formats: no format '{name}'; known: {', '.join(FORMATS)}; written formats=[coco,yolo]")
    for name in ("limit", "batch_size", "max_people"):
        if config[name] is not None and config[name] < 1:
            raise ConfigError(f"{name}={config[name]} must be 1 or more, or null")


def _formats(config: DictConfig) -> list[str]:
    """Names of formats; one may stand alone."""
    return [config.formats] if isinstance(config.formats, str) else list(config.formats or ())


def _job(config: DictConfig, restored: Restored, source: Any, folder: Path) -> Job:
    from armature.predicting.answering import Job
    from armature.predicting.drawing import Style
    from armature.predicting.image_ids import of_annotations
    from armature.predicting.journal import Journal, Printed

    predictor, printed = _predictor(config, restored), config.output == "-"
    tracker = build(config.tracker) if config.tracker else None
    return Job(
        predictor,
        source,
        folder,
        Printed() if printed else Journal(folder, _asked(config, restored), config.resume),
        _formats(config),
        Style(config.boxes, config.labels) if config.draw and not printed else None,
        tracker(predictor.skeleton) if tracker is not None and source.film else None,
        of_annotations(config.annotations, source) if config.annotations else None,
        config.category,
        config.limit,
    )


def _predictor(config: DictConfig, restored: Restored) -> Predictor:
    from armature.predicting.predictor import Predictor, judged_views
    from armature.predicting.views import Tight

    module = restored.module
    if config.flip_test is not None:
        module.flip_test = config.flip_test
    if config.multi_scale:
        module.multi_scale = build(config.multi_scale)
    views = judged_views(restored.config.data)
    height, width = (int(side) for side in restored.config.data.canvas)
    if config.tiles:
        views = build(config.tiles)((height, width))
    elif config.tight is not None:
        views = Tight((height, width), config.tight)
    given = {name: config[name] for name in ("batch_size", "precision") if config[name] is not None}
    own = {"min_score": config.min_score, "max_people": config.max_people, "device": config.device}
    own["folded"] = config.fold
    return Predictor.of_run(restored, views, **own, **given)


def _asked(config: DictConfig, restored: Restored) -> dict[str, Any]:
    """What the answers depend on, so that only the very same is gone on with."""
    plain: Any = OmegaConf.to_container(config) | {"formats": _formats(config)}  # type: ignore[operator]
    where = {"run": str(restored.folder.path.resolve()), "source": _absolute(plain["source"])}
    ignored = ("resume", "output", "device", "batch_size", "run", "source")
    return where | {key: value for key, value in plain.items() if key not in ignored}


def _absolute(source: Any) -> str:
    text = str(source)
    return str(Path(text).expanduser().resolve()) if Path(text).expanduser().exists() else text


def _tell(config: DictConfig, job: Job, done: Done) -> None:
    """What was found, how fast, and where it is; what could not be read."""
    out = sys.stderr if config.output == "-" else sys.stdout
    what, place = "frames" if job.source.film else "pictures", done.place
    pace = f", {done.answered / done.seconds:.1f} images/s" if done.answered and done.seconds else ""
    where = ", ".join(str(file) for file in done.files) or config.output
    print(f"{place.people} people on {place.read} {what}{pace}: {where}", file=out)
    best = job.predictor.best
    if place.read and not place.people:
        lower = f"; try min_score={_lower(best):g}" if best > 0 else ""
        print(f"nobody reaches min_score={config.min_score:g}; the best score was {best:.3f}{lower}", file=out)
    spent = sum(done.clock.seconds.values())
    if spent:
        shares = sorted(done.clock.seconds.items(), key=lambda pair: -pair[1])
        print("time: " + ", ".join(f"{name} {seconds / spent:.0%}" for name, seconds in shares if seconds), file=out)
    for unread in done.unread[:_SHOWN]:
        print(f"left out: {unread.name}: {unread.reason}", file=sys.stderr)
    if place.unread > min(len(done.unread), _SHOWN):
        print(f"left out: {place.unread} in all", file=sys.stderr)


def _lower(best: float) -> float:
    """A score that somebody reaches: 0.05, or half of the best one below it."""
    return 0.05 if best >= 0.05 else float(f"{best / 2:.1g}")
