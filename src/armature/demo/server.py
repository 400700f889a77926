"""The page's server: three files, one question. It trusts nothing that comes in, and answers this machine only.

Pages of other sites that a browser has open cannot ask either: a request must name this server as its host, and must
not come from another origin.
"""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

from PIL import Image

from armature.data.source import Picture
from armature.errors import DataError, UserError
from armature.predicting.prediction import Prediction
from armature.predicting.predictor import Predictor
from armature.predicting.reading import decode
from armature.structures import Skeleton

#: Names under which this machine calls itself.
LOOPBACK = ("127.0.0.1", "localhost", "::1")
#: Path -> (file beside this one, content type).
_FILES = {
    "/": ("page.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
}
#: The page's own files and the pictures that it holds itself; no other site, no inline script.
_POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"  # noqa: E501


@dataclass(frozen=True)
class Limits:
    """What a request may bring: bytes of a file, and pixels of the picture in it (a small file may hold very many)."""

    megabytes: float = 20.0
    megapixels: float = 50.0


class Refused(Exception):
    """A request that is not answered; the message is for the one who asked."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


class Server(ThreadingHTTPServer):
    """Serves the page until it is shut down; people are asked for one picture at a time.

    Args:
        host, port: where; port 0 takes a free one. title: of the page.

    Raises:
        UserError: the address cannot be taken.
    """

    daemon_threads = True

    def __init__(
        self, predictor: Predictor, host: str, port: int, title: str = "", limits: Limits | None = None
    ) -> None:
        self.predictor, self.title, self.limits = predictor, title, limits or Limits()
        self.turn = threading.Lock()
        try:
            super().__init__((host, port), Handler)
        except (OSError, OverflowError) as error:
            raise UserError(f"{host}:{port} cannot be served: {error}; give another port=") from error

    @property
    def address(self) -> str:
        """What to type into a browser."""
        return f"http://{self.server_address[0]!s}:{self.server_address[1]}"

    def find(self, data: bytes) -> dict[str, Any]:
        """The people on the picture in the bytes of a file, and the milliseconds that it took.

        Raises:
            Refused: no picture, or one that is too large.
        """
        start = time.perf_counter()
        picture = self._picture(data)
        with self.turn:
            asked = time.perf_counter()
            found = self.predictor.find([picture])[0]
            end = time.perf_counter()
        read = round(1000 * (asked - start), 1)
        return people(found) | {"milliseconds": {"read": read, "find": round(1000 * (end - asked), 1)}}

    def _picture(self, data: bytes) -> Picture:
        try:
            with Image.open(io.BytesIO(data)) as image:  # the heading alone: nothing is unpacked yet
                width, height = image.size
        except Image.DecompressionBombError as error:
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "far too many pixels in this file") from error
        except (OSError, SyntaxError, ValueError) as error:
            raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "this is no picture that can be read") from error
        if width * height > self.limits.megapixels * 1e6:
            most = f"{width} x {height} pixels; at most {self.limits.megapixels:g} million are taken"
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, most)
        try:
            return decode(data, "this file")
        except DataError as error:
            raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, str(error)) from error


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Server
    #: Seconds that a connection may say nothing.
    timeout = 30
    server_version, sys_version = "armature", ""

    def do_GET(self) -> None:
        """The page, its files, and what it must know of the network."""
        self._answered(self._get)

    def do_POST(self) -> None:
        """People on the picture that is sent."""
        self._answered(self._post)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing: the page says it."""

    def _answered(self, answer: Any) -> None:
        try:
            self._check_origin()
            answer()
        except Refused as error:
            self.close_connection = True  # what was sent and not read must not be taken for a further request
            self._send(json.dumps({"error": str(error)}).encode(), "application/json", error.status)
        except (BrokenPipeError, ConnectionResetError, TimeoutError):
            self.close_connection = True

    def _get(self) -> None:
        path = urlsplit(self.path).path
        if path == "/network":
            told = network(self.server.predictor.skeleton, self.server.title, self.server.limits)
            self._send(json.dumps(told).encode(), "application/json")
        elif path in _FILES:
            name, kind = _FILES[path]
            self._send(files("armature.demo").joinpath(name).read_bytes(), f"{kind}; charset=utf-8")
        else:
            raise Refused(HTTPStatus.NOT_FOUND, "there is nothing here")

    def _post(self) -> None:
        if urlsplit(self.path).path != "/people":
            raise Refused(HTTPStatus.NOT_FOUND, "there is nothing here")
        self._send(json.dumps(self.server.find(self._body())).encode(), "application/json")

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdigit():
            raise Refused(HTTPStatus.LENGTH_REQUIRED, "a request must say how long it is")
        if int(length) > self.server.limits.megabytes * 1e6:
            most = f"the file has {int(length) / 1e6:.1f} MB; at most {self.server.limits.megabytes:g} are taken"
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, most)
        return self.rfile.read(int(length))

    def _check_origin(self) -> None:
        """Another site's page may reach this server through the browser, under a name of its own or under ours."""
        host = urlsplit(f"//{self.headers.get('Host', '')}")
        bound = str(self.server.server_address[0])
        if bound in LOOPBACK and host.hostname not in LOOPBACK:
            raise Refused(HTTPStatus.FORBIDDEN, "this server answers to its own machine only")
        origin = self.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != host.netloc:
            raise Refused(HTTPStatus.FORBIDDEN, "another site's page may not ask here")

    def _send(self, body: bytes, kind: str, status: HTTPStatus = HTTPStatus.OK) -> None:
        self.send_response(status)
        headers: Mapping[str, str] = {
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            "Content-Security-Policy": _POLICY,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store",
        }
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def people(found: Prediction) -> dict[str, Any]:
    """What the page is told of a picture: its size (H, W) and everybody in it."""
    numbers = found.numpy()
    rows = zip(numbers.keypoints, numbers.keypoint_scores, numbers.boxes, numbers.scores, strict=True)
    listed = [
        {
            "score": round(float(score), 4),
            "box": [round(float(v), 1) for v in box],
            "keypoints": [[round(float(x), 1), round(float(y), 1)] for x, y in points],
            "confidences": [round(float(v), 3) for v in sure],
        }
        for points, sure, box, score in rows
    ]
    return {"size": list(found.size), "people": listed}


def network(skeleton: Skeleton, title: str, limits: Limits) -> dict[str, Any]:
    """What the page must know in order to draw."""
    return {
        "title": title,
        "keypoints": list(skeleton.keypoints),
        "edges": [list(edge) for edge in skeleton.edges],
        "colours": ["#%02x%02x%02x" % tuple(colour) for colour in skeleton.colours],  # noqa: UP031
        "megabytes": limits.megabytes,
    }
