"""What a source yields, and reading it ahead of the network."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple, Protocol, TypeVar

from armature.data.source import Picture

_T = TypeVar("_T")
_R = TypeVar("_R")
_END = object()
#: Bytes of pictures that may wait in one place.
AHEAD_BYTES = 128 << 20


@dataclass(frozen=True)
class Frame:
    """One picture of a source.

    Attributes:
        picture: RGB. name: file relative to the source, with forward slashes.
        index: counted from 0 over everything the source has, unreadable ones included. seconds: since the film's
            beginning; None for pictures that are no film.
    """

    picture: Picture
    name: str
    index: int
    seconds: float | None = None


@dataclass(frozen=True)
class Unread:
    """What could not be read, and why.

    ``index``: its own among pictures; within a film that of the last frame before it.
    """

    name: str
    index: int
    reason: str


Item = Frame | Unread


class Source(Protocol):
    """Pictures one after another, never more of them in memory than are asked for.

    Attributes:
        name: for people. film: the frames belong together in time. live: frames come by themselves and wait for nobody.
        rate: frames a second of a film, None where unknown. total: number of frames, None where nobody knows.
    """

    name: str
    film: bool
    live: bool

    @property
    def rate(self) -> float | None: ...

    @property
    def total(self) -> int | None: ...

    def read(self, start: int = 0, after: float | None = None) -> Iterator[Item]:
        """Frames from index ``start``; ``after``: seconds of the frame before it, where there is one."""
        ...


def map_ahead(function: Callable[[_T], _R], rows: Sequence[_T], depth: int = 4, threads: int = 2) -> Iterator[_R]:
    """``map`` in threads, at most ``depth`` results ahead of the one that is taken, in order."""
    waiting: deque[Future[_R]] = deque()
    remaining = iter(rows)
    with ThreadPoolExecutor(threads) as pool:
        try:
            waiting.extend(pool.submit(function, row) for row in islice(remaining, depth))
            while waiting:
                result = waiting.popleft().result()
                waiting.extend(pool.submit(function, row) for row in islice(remaining, 1))
                yield result
        finally:
            for future in waiting:
                future.cancel()


def ahead(rows: Iterator[_T], depth: int = 16, newest: bool = False) -> Iterator[_T]:
    """The rows, fetched by a thread of their own, at most ``depth`` ahead and at most ``AHEAD_BYTES`` of pictures.

    Args:
        newest: who takes too slowly gets the newest row and misses those before: for cameras.

    Raises:
        Whatever the rows raise, after those before it have been taken.
    """
    shelf = _Shelf(1 if newest else depth, newest)
    thread = threading.Thread(target=_fetch, args=(rows, shelf), daemon=True)
    thread.start()
    try:
        while (row := shelf.take()) is not _END:
            if isinstance(row, _Raised):
                raise row.error
            yield row  # type: ignore[misc]
    finally:
        shelf.close()
        thread.join(timeout=5)


class _Raised(NamedTuple):
    error: BaseException


class _Shelf:
    """Rows between two threads: so many, and so many bytes, but always room for one."""

    def __init__(self, depth: int, newest: bool) -> None:
        self.depth, self.newest = depth, newest
        self.rows: deque[tuple[object, int]] = deque()
        self.bytes, self.closed, self.changed = 0, False, threading.Condition()

    def put(self, row: object) -> bool:
        """False once nobody takes any more."""
        weight = _weight(row)
        with self.changed:
            if self.newest and weight:
                self.rows.clear()
                self.bytes = 0
            while not self.closed and self.rows and not self._fits(weight):
                self.changed.wait()
            self.rows.append((row, weight))
            self.bytes += weight
            self.changed.notify_all()
            return not self.closed

    def _fits(self, weight: int) -> bool:
        return len(self.rows) < self.depth and self.bytes + weight <= AHEAD_BYTES

    def take(self) -> object:
        with self.changed:
            while not self.rows:
                self.changed.wait()
            row, weight = self.rows.popleft()
            self.bytes -= weight
            self.changed.notify_all()
            return row

    def close(self) -> None:
        with self.changed:
            self.closed = True
            self.changed.notify_all()


def _weight(row: object) -> int:
    """Bytes of the pictures in a row."""
    first = row[0] if isinstance(row, tuple) and row else row
    return int(first.picture.nbytes) if isinstance(first, Frame) else 0


def _fetch(rows: Iterator[object], shelf: _Shelf) -> None:
    last: object = _END
    try:
        for row in rows:
            if not shelf.put(row):
                break
    except BaseException as error:
        last = _Raised(error)
    finally:
        close = getattr(rows, "close", None)
        if close is not None:
            close()
    shelf.put(last)
