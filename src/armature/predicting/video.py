"""Films: files and streams by PyAV, cameras by OpenCV, frame by frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from armature.data.source import Picture
from armature.errors import DataError, UserError
from armature.predicting import reading
from armature.predicting.frames import Frame, Item, Unread

#: Seconds that a stream may stay silent.
_PATIENCE = 15.0
#: Schemes whose frames come by themselves.
_LIVE = ("rtsp", "rtsps", "rtmp", "udp", "rtp", "srt", "tcp")


def pyav() -> Any:
    """The module ``av``.

    Raises:
        UserError: it is not installed; says how to get it.
    """
    try:
        import av  # type: ignore[import-not-found]
    except ImportError as error:
        raise UserError("videos need PyAV: pip install 'armature[video]' (or pip install av)") from error
    return av


class Video:
    """A video file, or a stream with an address (``rtsp://...``).

    Frames are turned as the file says (phones). A part that cannot be decoded is one ``Unread``, and reading goes on.

    Raises:
        UserError: PyAV is missing. DataError: nothing that can be opened, or no video in it; names the file.
    """

    film = True

    def __init__(self, address: str | Path) -> None:
        self.address = str(address)
        self.name = Path(self.address).name or self.address
        self.live = self.address.split("://", 1)[0] in _LIVE if "://" in self.address else False
        self._av = pyav()
        with self._open() as container:
            stream = container.streams.video[0]
            rate = stream.average_rate or stream.guessed_rate
            self._rate, self._frames = (float(rate) if rate else None), stream.frames
            seconds = float(stream.duration * stream.time_base) if stream.duration else None
            if seconds is None and container.duration:
                seconds = container.duration / 1e6
            self._seconds = seconds

    @property
    def rate(self) -> float | None:
        return self._rate

    @property
    def total(self) -> int | None:
        if self.live:
            return None
        guess = round(self._seconds * self._rate) if self._seconds and self._rate else None
        return int(self._frames) or guess

    def read(self, start: int = 0, after: float | None = None) -> Iterator[Item]:
        """Frames from index ``start``, found by the time of the frame before where ``after`` gives it, else counted."""
        with self._open() as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            found = start > 0 and after is not None
            if found:  # lands on a whole picture at or before that time
                container.seek(round(after / float(stream.time_base)), stream=stream)  # type: ignore[operator]
            index = start if found else 0
            for item in self._decoded(container, stream):
                if isinstance(item, Unread):
                    yield replace(item, index=index - 1)
                elif not found or (item.seconds or 0.0) > after:  # type: ignore[operator]
                    if index >= start:
                        yield replace(item, index=index)
                    index += 1

    def _decoded(self, container: Any, stream: Any) -> Iterator[Item]:
        """Everything from where the container stands, not yet numbered."""
        for packet in container.demux(stream):
            try:
                decoded = packet.decode()
            except self._av.error.FFmpegError as error:
                yield Unread(f"{self.name} at {_at(packet)}", 0, str(error))
                continue
            for frame in decoded:
                yield Frame(_upright(frame), self.name, 0, frame.time)

    def _open(self) -> Any:
        options = {"rtsp_transport": "tcp"} if self.address.startswith("rtsp") else {}
        # Only addresses are waited for: a file that is slow to come is not gone.
        patience = {"timeout": _PATIENCE} if "://" in self.address else {}
        try:
            container = self._av.open(self.address, options=options, **patience)
        except (OSError, ValueError, self._av.error.FFmpegError) as error:
            raise DataError(f"{self.address}: cannot be opened as a video: {error}") from error
        if not container.streams.video:
            container.close()
            raise DataError(f"{self.address}: there is no video in it")
        return container


def _quietly_opened(number: int) -> Any:
    """The camera; OpenCV's own complaints about one that is not there would stand above ours."""
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        return cv2.VideoCapture(number)
    finally:
        cv2.utils.logging.setLogLevel(level)


def _at(packet: Any) -> str:
    return f"{float(packet.pts * packet.time_base):.2f} s" if packet.pts is not None else "an unknown time"


def _upright(frame: Any) -> Picture:
    picture = frame.to_ndarray(format="rgb24")
    turns = round((getattr(frame, "rotation", 0) or 0) / 90) % 4  # counter-clockwise, as numpy turns
    return np.ascontiguousarray(np.rot90(picture, turns)) if turns else picture


class Animation:
    """A GIF, PNG or WebP of several frames: from a file, or from bytes with a name."""

    film, live = True, False

    def __init__(self, file: str | Path, data: bytes | None = None) -> None:
        self.name, self._data = Path(file).name, reading.read_bytes(file) if data is None else data
        self._times = [seconds for _, seconds in reading.frames(self._data, self.name)]

    @property
    def rate(self) -> float | None:
        last = self._times[-1] if self._times else 0.0
        return (len(self._times) - 1) / last if last else None

    @property
    def total(self) -> int | None:
        return len(self._times)

    def read(self, start: int = 0, after: float | None = None) -> Iterator[Item]:
        for index, (picture, seconds) in enumerate(reading.frames(self._data, self.name)):
            if index >= start:
                yield Frame(picture, self.name, index, seconds)


class Camera:
    """A camera of this machine by its number, until it stops or nobody asks any more."""

    film, live, total = True, True, None

    def __init__(self, number: int) -> None:
        self.number, self.name = number, f"camera {number}"
        self._rate: float | None = None

    @property
    def rate(self) -> float | None:
        return self._rate

    def read(self, start: int = 0, after: float | None = None) -> Iterator[Item]:
        """Frames with the seconds since the first.

        Raises:
            DataError: there is no such camera, or it may not be used.
        """
        import time

        device = _quietly_opened(self.number)
        try:
            if not device.isOpened():
                raise DataError(f"source={self.number}: no camera with this number that can be opened")
            self._rate = device.get(cv2.CAP_PROP_FPS) or None
            begun, index = time.monotonic(), start
            while True:
                got, picture = device.read()
                if not got:
                    return
                yield Frame(picture[..., ::-1].copy(), self.name, index, time.monotonic() - begun)
                index += 1
        finally:
            device.release()
