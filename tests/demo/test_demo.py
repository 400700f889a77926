"""The page answers this machine's browser with people, and everybody else with a reason."""

from __future__ import annotations

import http.client
import io
import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "reports"))

from browser import chromium, complaints

from armature import config_folders
from armature.demo.server import Limits, Server
from armature.errors import UserError
from armature.predicting.prediction import Prediction
from armature.skeletons import load
from armature.structures import Poses

SKELETON = load(config_folders.project() / "skeleton" / "openfield_mouse.yaml")
#: Four points, x and y, of the one mouse that everybody sees; the last one hardly.
PLACES = [[30.5, 20.5], [60.5, 20.5], [60.5, 60.5], [90.5, 80.5]]
SURE = [0.9, 0.8, 0.7, 0.1]


class Seer:
    """Stands in for a predictor: one mouse in every picture, none in a black one."""

    skeleton = SKELETON

    def __init__(self) -> None:
        self.seen: list[tuple[int, ...]] = []

    def find(self, pictures: Sequence[Any]) -> list[Prediction]:
        self.seen += [picture.shape for picture in pictures]
        count = int(pictures[0].max() > 0)
        mouse = Poses(
            torch.tensor([PLACES])[:count],
            torch.tensor([SURE])[:count],
            torch.tensor([[30.0, 20.0, 91.0, 81.0]])[:count],
            torch.tensor([0.75])[:count],
        )
        return [Prediction.of(mouse, SKELETON, pictures[0].shape[:2])]


Serve = Callable[..., Server]


@pytest.fixture
def serve() -> Iterator[Serve]:
    running = []

    def start(**limits: float) -> Server:
        server = Server(Seer(), "127.0.0.1", 0, "runs/<b>mouse</b>", Limits(**limits))  # type: ignore[arg-type]
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        running.append(server)
        return server

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


def picture(width: int = 120, height: int = 100, value: int = 128, **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (width, height), (value,) * 3).save(stream, "PNG", **options)
    return stream.getvalue()


def ask(server: Server, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(*server.server_address[:2], timeout=10)  # type: ignore[arg-type]
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    content = answer.read()
    return answer.status, json.loads(content) if "json" in answer.headers["Content-Type"] else content


def test_a_picture_is_answered_with_its_people_and_the_time(serve: Serve) -> None:
    server = serve()
    status, told = ask(server, "POST", "/people", picture())
    assert status == 200 and told["size"] == [100, 120] and server.predictor.seen == [(100, 120, 3)]  # type: ignore[attr-defined]
    (mouse,) = told["people"]
    assert mouse["keypoints"] == PLACES and mouse["confidences"] == SURE and mouse["score"] == 0.75
    assert set(told["milliseconds"]) == {"read", "find"} and min(told["milliseconds"].values()) >= 0
    assert ask(server, "POST", "/people", picture(value=0))[1]["people"] == []


def test_what_the_page_must_know(serve: Serve) -> None:
    told = ask(serve(), "GET", "/network")[1]
    assert told["keypoints"] == list(SKELETON.keypoints) and told["title"] == "runs/<b>mouse</b>"
    assert [len(colour) for colour in told["colours"]] == [7] * 4


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"<svg>", 415, "no picture that can be read"),
        (b"", 415, "no picture that can be read"),
        (picture()[:60], 415, "this file"),
        (b"x" * 1_100_000, 413, r"the file has 1.1 MB; at most 1 are taken"),
        (picture(400, 300), 413, "400 x 300 pixels; at most 0.1 million are taken"),
    ],
)
def test_what_is_no_picture_or_too_large_is_refused_unopened(serve: Serve, body: bytes, status: int, said: str) -> None:
    server = serve(megabytes=1.0, megapixels=0.1)
    found = ask(server, "POST", "/people", body)
    assert found[0] == status and said in found[1]["error"]
    assert server.predictor.seen == []  # type: ignore[attr-defined]
    assert ask(server, "POST", "/people", picture())[0] == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 403),  # a name of another site that leads to this machine
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({}, 200),
    ],
)
def test_other_sites_pages_cannot_ask(serve: Serve, headers: dict[str, str], status: int) -> None:
    assert ask(serve(), "POST", "/people", picture(), **headers)[0] == status


@pytest.mark.parametrize("path", ["/../server.py", "/server.py", "/page.html/../server.py", "/%2e%2e/cli.py", "/etc"])
def test_nothing_but_the_page_is_served(serve: Serve, path: str) -> None:
    assert ask(serve(), "GET", path)[0] == 404


def test_a_body_of_unknown_length_is_not_waited_for(serve: Serve) -> None:
    server = serve()
    with socket.create_connection(server.server_address[:2], timeout=10) as line:  # type: ignore[arg-type]
        line.sendall(b"POST /people HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n")
        assert b" 411 " in line.recv(4096).splitlines()[0]


def test_a_taken_port_is_told(serve: Serve) -> None:
    server = serve()
    with pytest.raises(UserError, match=r"cannot be served: .*give another port="):
        Server(Seer(), "127.0.0.1", server.server_address[1])  # type: ignore[arg-type]


def _still(seen: list[Any]) -> bool:
    """Whether nothing more comes for half a second; of a picture that is under way the answer may be late."""
    count = len(seen)
    time.sleep(0.5)
    return len(seen) == count


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < end, "the page never came so far"
        time.sleep(0.05)


@pytest.mark.browser
@pytest.mark.slow
def test_a_person_sees_pose_confidences_and_time(serve: Serve, tmp_path: Path) -> None:
    server = serve(megapixels=0.1)
    (tmp_path / "mouse.png").write_bytes(picture())
    (tmp_path / "large.png").write_bytes(picture(400, 300))
    with chromium(tmp_path / "profile", 1280, 800) as driver:
        driver.get(server.address)
        _until(lambda: driver.find_element("tag name", "body").get_attribute("data-ready") == "yes")
        assert driver.find_element("id", "title").text == "runs/<b>mouse</b>"
        driver.find_element("id", "file").send_keys(str(tmp_path / "mouse.png"))
        _until(lambda: driver.find_element("tag name", "body").get_attribute("data-people") == "1")
        said = driver.find_element("id", "status").text
        assert said.startswith("1 person in ") and "picture 120 x 100" in said
        rows = [row.text.split() for row in driver.find_elements("css selector", "#people tr")]
        assert ["score", "0.75"] in rows and ["snout", "0.90"] in rows
        pixel = "return [...document.getElementById('picture').getContext('2d').getImageData(%d, %d, 1, 1).data]"
        grey, point = driver.execute_script(pixel % (5, 95)), driver.execute_script(pixel % (30, 20))
        unsure = driver.execute_script(pixel % (90, 80))
        assert np.ptp(grey[:3]) == 0 and np.ptp(point[:3]) > 30 and unsure == grey
        driver.find_element("id", "file").send_keys(str(tmp_path / "large.png"))
        _until(lambda: driver.find_element("id", "error").is_displayed())
        assert "400 x 300 pixels; at most 0.1 million" in driver.find_element("id", "error").text
        assert [c for c in complaints(driver) if "413" not in c and "getImageData" not in c] == []  # of this test


@pytest.mark.browser
@pytest.mark.slow
def test_the_camera_is_watched_until_it_is_stopped(serve: Serve, tmp_path: Path) -> None:
    server = serve()
    with chromium(tmp_path / "profile", 1280, 800) as driver:
        driver.get(server.address)
        # A stream that a canvas paints stands in for a camera that this machine does not have.
        driver.execute_script(
            "const c = document.createElement('canvas'); c.width = 160; c.height = 120; const p = c.getContext('2d');"
            "setInterval(() => { p.fillStyle = '#888'; p.fillRect(0, 0, 160, 120); }, 30);"
            "navigator.mediaDevices.getUserMedia = async () => c.captureStream(30);"
        )
        driver.find_element("id", "camera").click()
        _until(lambda: len(server.predictor.seen) > 3)  # type: ignore[attr-defined]
        assert driver.find_element("id", "camera").text == "Stop the camera"
        driver.find_element("id", "camera").click()
        _until(lambda: driver.find_element("id", "camera").text == "Use the camera")
        _until(lambda: _still(server.predictor.seen))  # type: ignore[attr-defined]
        assert not driver.find_element("id", "error").is_displayed()
        assert (120, 160, 3) in server.predictor.seen  # type: ignore[attr-defined]
