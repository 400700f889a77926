"""Everything that source= may name."""

from __future__ import annotations

import io
import sys
import threading
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lamps
import numpy as np
import pytest
from PIL import Image

from armature.errors import DataError, UserError
from armature.predicting import sources, video
from armature.predicting.frames import Frame, Unread, ahead, map_ahead


def picture(file: Path, shade: int = 100) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 6), (shade, 0, 0)).save(file)
    return file


def names(source: Any) -> list[str]:
    return [item.name for item in source.read()]


def test_a_folder_is_read_with_everything_below_it_but_own_answers(tmp_path: Path) -> None:
    for name in ("b.png", "a.jpg", "deep/er/c.webp", ".hidden/d.png", "answers/e.jpg"):
        picture(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    source = sources.find(tmp_path, leave_out=[tmp_path / "answers"])
    assert names(source) == ["a.jpg", "b.png", "deep/er/c.webp"] and source.total == 3 and not source.film
    assert [item.index for item in source.read(start=1)] == [1, 2]


def test_a_file_a_pattern_and_a_list(tmp_path: Path) -> None:
    one, two = picture(tmp_path / "x" / "one.png"), picture(tmp_path / "x" / "y" / "two.png")
    assert names(sources.find(str(one))) == ["one.png"]
    assert names(sources.find(str(tmp_path / "**" / "*.png"))) == ["x/one.png", "x/y/two.png"]
    assert len(names(sources.find([str(one), str(two)]))) == 2


def test_what_cannot_be_read_is_named_in_its_place(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"")
    picture(tmp_path / "c.png")
    items = list(sources.find(tmp_path).read())
    assert [type(item) for item in items] == [Frame, Unread, Frame]
    assert items[1].name == "b.png" and "no picture" in items[1].reason and str(tmp_path) not in items[1].reason  # type: ignore[union-attr]


@pytest.mark.parametrize(("made", "asked"), [("", "absent"), ("empty/x.txt", "empty"), ("", "*.jpg")])
def test_nothing_there_is_an_error(tmp_path: Path, made: str, asked: str) -> None:
    if made:
        (tmp_path / made).parent.mkdir()
        (tmp_path / made).write_text("")
    with pytest.raises(DataError, match="source="):
        sources.find(str(tmp_path / asked))


def test_videos_in_a_folder_are_not_passed_over_in_silence(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "b.mp4").write_bytes(b"")
    with pytest.warns(UserWarning, match="1 videos are not looked at"):
        assert names(sources.find(tmp_path)) == ["a.png"]


def stdin(monkeypatch: pytest.MonkeyPatch, data: bytes) -> Any:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))
    return sources.find("-")


def test_bytes_on_standard_input(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    data = picture(tmp_path / "a.png", 90).read_bytes()
    (item,) = stdin(monkeypatch, data).read()
    assert item.picture[0, 0, 0] == 90 and item.name == "stdin"
    (item,) = stdin(monkeypatch, b"").read()
    assert isinstance(item, Unread)
    shades = [Image.new("RGB", (8, 6), (v, 0, 0)) for v in (0, 100)]
    buffer = io.BytesIO()
    shades[0].save(buffer, "GIF", save_all=True, append_images=shades[1:])
    assert len(list(stdin(monkeypatch, buffer.getvalue()).read())) == 2


def test_an_animation_is_a_film(tmp_path: Path) -> None:
    shades = [Image.new("RGB", (8, 6), (v, 0, 0)) for v in (0, 100, 200)]
    shades[0].save(tmp_path / "a.gif", save_all=True, append_images=shades[1:], duration=50)
    source = sources.find(tmp_path / "a.gif")
    assert source.film and source.total == 3 and source.rate == pytest.approx(20)
    assert [item.seconds for item in source.read(1)] == pytest.approx([0.05, 0.1])  # type: ignore[union-attr]


@pytest.mark.slow
def test_a_film_from_any_frame_on(tmp_path: Path) -> None:
    pytest.importorskip("av")
    source = sources.find(lamps.film(tmp_path / "walk.mp4", 40, skip=[7, 8]))
    whole = list(source.read())
    assert len(whole) == source.total == 38 and [f.index for f in whole] == list(range(38)) and source.rate
    times = [f.seconds for f in whole]  # type: ignore[union-attr]
    assert times[6] == pytest.approx(6 / 25) and times[7] == pytest.approx(9 / 25)
    for start in (1, 12, 13, 25, 37, 38):
        for after in (times[start - 1], None):
            rest = list(source.read(start, after))
            assert [f.index for f in rest] == list(range(start, 38))
            for mine, theirs in zip(rest, whole[start:], strict=True):
                assert mine.seconds == theirs.seconds  # type: ignore[union-attr]
                np.testing.assert_array_equal(mine.picture, theirs.picture)  # type: ignore[union-attr]


def test_a_film_that_lies_on_its_side_is_turned(tmp_path: Path) -> None:
    pytest.importorskip("av")
    file = lamps.film(tmp_path / "walk.mp4", 3)
    upright = next(iter(sources.find(file).read()))
    data = bytearray(file.read_bytes())
    at = data.index(b"tkhd") + 4 + 40  # the 3x3 matrix of a track, 16.16 and 2.30 fixed point
    turn = [0, 1 << 16, 0, -(1 << 16) & 0xFFFFFFFF, 0, 0, 0, 0, 1 << 30]  # x' = -y, y' = x: clockwise
    data[at : at + 36] = b"".join(value.to_bytes(4, "big") for value in turn)
    file.write_bytes(data)
    turned = next(iter(sources.find(file).read()))
    np.testing.assert_array_equal(turned.picture, np.rot90(upright.picture, -1))  # type: ignore[union-attr]


def test_damage_in_the_middle_of_a_film_is_one_complaint(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    file = lamps.film(tmp_path / "walk.mkv", 40)
    with av.open(str(file)) as container:
        packets = [(p.pos, p.size) for p in container.demux(container.streams.video[0]) if p.size]
    data = bytearray(file.read_bytes())
    for position, size in packets[15:18]:
        start = data.index(b"\xa3", position) + 8
        data[start : start + size - 12] = bytes(size - 12)
    file.write_bytes(data)
    items = list(sources.find(file).read())
    read = [item for item in items if isinstance(item, Frame)]
    assert [item.index for item in read] == list(range(len(read))) and 20 <= len(read) <= 40
    assert read[-1].seconds == pytest.approx(39 / 25)


def test_no_film_and_no_pyav_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no film")
    if "av" in sys.modules or pytest.importorskip("av"):
        with pytest.raises(DataError, match=r"a\.mp4: cannot be opened as a video"):
            sources.find(tmp_path / "a.mp4")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(UserError, match=r"pip install 'armature\[video\]'"):
        sources.find(tmp_path / "a.mp4")


def test_a_film_at_an_address(tmp_path: Path) -> None:
    pytest.importorskip("av")
    lamps.film(tmp_path / "walk.ts", 10)

    class Quiet(SimpleHTTPRequestHandler):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=str(tmp_path))

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        source = sources.find(f"http://127.0.0.1:{server.server_port}/walk.ts")
        assert len(list(source.read())) == 10 and not source.live
        server.shutdown()


class _Device:
    """Three frames of a camera."""

    opened = True

    def __init__(self, number: int) -> None:
        self.left = 3

    def isOpened(self) -> bool:
        return self.opened

    def get(self, what: int) -> float:
        return 30.0

    def read(self) -> tuple[bool, np.ndarray | None]:
        self.left -= 1
        return (True, np.full((4, 4, 3), (0, 0, 255), np.uint8)) if self.left >= 0 else (False, None)

    def release(self) -> None:
        pass


def test_a_number_is_a_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video.cv2, "VideoCapture", _Device)
    source = sources.find(0)
    items = list(source.read())
    assert source.live and source.film and len(items) == 3 and items[0].picture[0, 0].tolist() == [255, 0, 0]  # type: ignore[union-attr]
    monkeypatch.setattr(_Device, "opened", False)
    with pytest.raises(DataError, match="no camera"):
        list(sources.find("0").read())


def test_reading_ahead_keeps_the_order_the_errors_and_the_bounds() -> None:
    taken: list[int] = []

    def rows() -> Any:
        for i in range(30):
            taken.append(i)
            yield i
        raise ValueError("the end")

    found = []
    with pytest.raises(ValueError, match="the end"):
        for row in ahead(rows(), depth=3):
            found.append(row)
            time.sleep(0.001)
            assert len(taken) <= row + 1 + 3 + 2
    assert found == list(range(30))
    assert list(map_ahead(lambda i: i * i, range(50))) == [i * i for i in range(50)]


def test_a_slow_taker_of_a_camera_gets_the_newest() -> None:
    def rows() -> Any:
        for i in range(50):
            time.sleep(0.002)
            yield Frame(np.zeros((2, 2, 3), np.uint8), "", i)

    found = []
    for frame in ahead(rows(), newest=True):
        found.append(frame.index)
        time.sleep(0.02)
    assert len(found) < 25 and found == sorted(set(found)) and found[-1] == 49
