"""The whole way of a prediction: read ahead, ask in batches, track, draw, write, and be able to go on."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any

import cv2

from armature.clock import Clock
from armature.errors import UserError
from armature.predicting import drawing, formats, journal, naming
from armature.predicting.films import Film
from armature.predicting.frames import AHEAD_BYTES, Frame, Item, Source, Unread, ahead
from armature.predicting.journal import Journal, Place, Printed
from armature.predicting.prediction import Prediction
from armature.predicting.predictor import Predictor
from armature.predicting.progress import Progress
from armature.predicting.sources import Pictures
from armature.tracks.tracker import Tracker

_QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 90]


class Stopped(KeyboardInterrupt):
    """Somebody wants an end: Ctrl-C or SIGTERM; how far it has come is noted."""


@dataclass
class Job:
    """What is to be done with a source.

    Attributes:
        folder: for everything that is written. lines: where a line a picture goes as it is answered.
        written: names of formats. style: None draws nothing. tracker: for films.
        ids: picture name -> image id; None counts from 1. category: of the COCO results.
        limit: pictures or frames to take; None takes all.
        commit_every: seconds between two places from which an interrupted prediction can go on.
    """

    predictor: Predictor
    source: Source
    folder: Path
    lines: Journal | Printed
    written: Sequence[str] = ("coco",)
    style: drawing.Style | None = field(default_factory=drawing.Style)
    tracker: Tracker | None = None
    ids: Mapping[str, int] | None = None
    category: int = 1
    limit: int | None = None
    commit_every: float = 15.0


@dataclass
class Done:
    """What came of it.

    Attributes:
        place: how far it has come, with counts. answered: pictures of this time, not those of before an interruption.
        unread: what could not be read this time, and why. files: what was written.
        seconds: by the clock on the wall. first: until the first answer. clock: where they went, summed over threads.
    """

    place: Place
    answered: int = 0
    unread: list[Unread] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    seconds: float = 0.0
    first: float = 0.0
    clock: Clock = field(default_factory=Clock)


def run(job: Job) -> Done:
    """Answers everything and writes it.

    Raises:
        Stopped: asked to end; the same job goes on from there. A camera's film just ends.
        UserError: something cannot be written, or PyAV is missing.
    """
    return _Run(job).whole()


def asked(predictor: Predictor, items: Iterator[Item], size: int) -> Iterator[tuple[Item, Prediction | None]]:
    """Every item in its order, frames with their people; up to ``size`` frames are asked at once."""
    waiting: list[Item] = []
    for item in items:
        waiting.append(item)
        shown = [entry.picture.nbytes for entry in waiting if isinstance(entry, Frame)]
        if len(shown) == size or sum(shown) > AHEAD_BYTES:
            yield from _ask(predictor, waiting)
            waiting = []
    yield from _ask(predictor, waiting)


def _ask(predictor: Predictor, waiting: Sequence[Item]) -> Iterator[tuple[Item, Prediction | None]]:
    shown = [item for item in waiting if isinstance(item, Frame)]
    found = iter(predictor.find([frame.picture for frame in shown], [frame.name for frame in shown]))
    yield from ((item, next(found) if isinstance(item, Frame) else None) for item in waiting)


class _Run:
    """One job under way."""

    def __init__(self, job: Job) -> None:
        self.job, self.place, self.done = job, job.lines.place, Done(job.lines.place)
        if job.tracker is not None and self.place.tracks:
            job.tracker.restore(self.place.tracks)
        files = [job.source.named(file) for file in job.source.files] if isinstance(job.source, Pictures) else []
        self.names = naming.stems(files or [job.source.name])
        self.film: Film | None = None
        if job.style is not None and job.source.film:
            self.film = Film(job.folder / f"{self.names[job.source.name]}.mp4", job.source.rate, self.place.parts)

    def whole(self) -> Done:
        begun = time.monotonic()
        clock = self.job.predictor.module.clock
        before = dict(clock.seconds)
        progress = Progress(self.job.source.name, self._total(), self.place.index)
        try:
            with _stoppable() as stop:
                self._through(stop, progress, begun)
        except Stopped:
            self._commit()
            if not self.job.source.live:
                raise
        finally:
            progress.close()
            if self.film is not None:
                self.film.close()
            self.job.lines.close()
        self.done.seconds = time.monotonic() - begun
        for name, seconds in clock.seconds.items():
            self.done.clock.seconds[name] += seconds - before.get(name, 0.0)
        self._finish()
        return self.done

    def _through(self, stop: _Stop, progress: Progress, begun: float) -> None:
        noted = begun
        for item, found in stop.watched(self._rows()):
            if isinstance(item, Unread):
                self._note(item)
            elif found is not None:
                self._take(item, found)
                self.done.first = self.done.first or time.monotonic() - begun
            progress.update(self.place.index, self.place.people)
            if time.monotonic() - noted > self.job.commit_every:
                self._commit()
                noted = time.monotonic()
        self._commit()

    def _rows(self) -> Iterator[tuple[Item, Prediction | None]]:
        """Read by one thread, answered by a second; this one draws and writes."""
        source, size = self.job.source, self.job.predictor.batch_size
        items = source.read(self.place.index, self.place.after)
        if self.job.limit is not None:
            limit = self.job.limit
            items = takewhile(lambda item: item.index < limit, items)
        if source.film:
            items = ahead(items, 2 * size, newest=source.live)
        return ahead(asked(self.job.predictor, items, 1 if source.live else size), 2 * size)

    def _total(self) -> int | None:
        total, limit = self.job.source.total, self.job.limit
        return min(total, limit) if total is not None and limit is not None else limit or total

    def _note(self, unread: Unread) -> None:
        self.done.unread.append(unread)
        self.job.lines.write(journal.complaint(unread))
        self.place.index, self.place.unread = unread.index + 1, self.place.unread + 1

    def _take(self, frame: Frame, found: Prediction) -> None:
        if self.job.tracker is not None:
            with self.done.clock.span("track"):
                found = self.job.tracker.update(found, frame.seconds if frame.seconds is not None else frame.index / 25)
        if self.job.style is not None:
            self._draw(frame, found)
        with self.done.clock.span("write"):
            self.job.lines.write(journal.record(frame, found, self._id(frame), self.job.category))
        self.place.index, self.place.after = frame.index + 1, frame.seconds
        self.place.read, self.place.people = self.place.read + 1, self.place.people + len(found)
        self.done.answered += 1

    def _draw(self, frame: Frame, found: Prediction) -> None:
        with self.done.clock.span("draw"):
            drawn = drawing.draw(frame.picture, found, self.job.style)
        with self.done.clock.span("encode"):
            if self.film is not None:
                self.film.write(drawn, frame.seconds, frame.index)
                return
            file = self.job.folder / f"{self.names.get(frame.name, frame.name)}.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            if not cv2.imwrite(str(file), drawn[..., ::-1], _QUALITY):
                raise UserError(f"{file}: the drawn picture cannot be written; is the disk full?")

    def _id(self, frame: Frame) -> int:
        return frame.index + 1 if self.job.ids is None else self.job.ids[frame.name]

    def _commit(self) -> None:
        if self.film is not None:
            self.place.parts = self.film.commit()
        self.place.tracks = self.job.tracker.state() if self.job.tracker is not None else None
        self.job.lines.commit()

    def _finish(self) -> None:
        """Everything that is written once all is answered."""
        if self.film is not None and (file := self.film.finish()):
            self.done.files.append(file)
        if isinstance(self.job.lines, Journal):
            for name in self.job.written:
                write = formats.FORMATS[name]
                self.done.files += write(self.job.lines.lines, self.job.folder, self.job.predictor.skeleton)
            if "jsonl" not in self.job.written:
                self.job.lines.lines.unlink(missing_ok=True)
        self.job.lines.finish()


class _Stop:
    """Ctrl-C and SIGTERM, held back while a picture is being written."""

    def __init__(self) -> None:
        self.busy = self.wanted = False

    def __call__(self, *_: Any) -> None:
        if self.wanted or not self.busy:  # asked twice, or nothing to wait for
            raise Stopped
        self.wanted = True

    def watched(self, rows: Iterator[Any]) -> Iterator[Any]:
        """The rows; an end that is wanted comes between two of them."""
        try:
            for row in rows:
                self.busy = True
                yield row
                self.busy = False
                if self.wanted:
                    raise Stopped
        finally:
            close = getattr(rows, "close", None)
            if close is not None:
                close()


@contextmanager
def _stoppable() -> Iterator[_Stop]:
    """Signals go to the stop while this lasts; in other threads than the main one they stay where they are."""
    stop = _Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, stop) for number in signals]
    try:
        yield stop
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)
