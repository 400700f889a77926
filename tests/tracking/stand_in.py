"""A stand-in for W&B's server on this machine: enough of its interface for the real client, and all of its moods."""

from __future__ import annotations

import gzip
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "local-" + "k" * 40
MOODS = ("well", "errors", "hangs", "slow")


class StandIn(ThreadingHTTPServer):
    """Answers ``well``, with ``errors`` (500), not at all (``hangs``), or ``slow`` (well, after a second).

    Attributes:
        runs: what was said of each run at its start, by id. lines: history rows by run id and line number.
        complete: exit codes of the runs whose end was told. calls: names of the requests.
        refused: run ids that get 500.
    """

    daemon_threads = True

    def __init__(self) -> None:
        self.mood = "well"
        self.runs: dict[str, dict[str, Any]] = {}
        self.lines: dict[str, dict[int, str]] = {}
        self.complete: dict[str, int | None] = {}
        self.calls: list[str] = []
        self.refused: set[str] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Connections that the client drops are no event."""

    def environment(self) -> dict[str, str]:
        """What makes the client talk to this server."""
        return {"WANDB_BASE_URL": self.url, "WANDB_API_KEY": KEY}

    def rows(self, run: str) -> list[dict[str, Any]]:
        """The history of a run in the order of its lines."""
        return [json.loads(line) for _, line in sorted(self.lines.get(run, {}).items())]

    def column(self, run: str, name: str) -> list[tuple[int, Any]]:
        """(step, value) of one metric."""
        return [(row["_step"], row[name]) for row in self.rows(run) if name in row]


@contextmanager
def serving() -> Iterator[StandIn]:
    server = StandIn()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.mood = "well"
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: StandIn

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        if self.path.startswith("/mood/"):  # a client process may ask for it
            self.server.mood = self.path.rpartition("/")[2]
            self._reply({})
        else:
            self._answer(lambda body: {})

    def do_PUT(self) -> None:
        self._answer(lambda body: {})

    def do_POST(self) -> None:
        self._answer(self._stream if self.path.endswith("/file_stream") else self._query)

    def _answer(self, respond: Any) -> None:
        body = self._body()
        mood = self.server.mood
        while mood == "hangs" and self.server.mood == "hangs":
            time.sleep(0.1)
        if mood == "slow":
            time.sleep(1)
        if self.server.mood == "errors" or any(run in self.path or run.encode() in body for run in self.server.refused):
            self._reply({"errors": [{"message": "the stand-in is in a bad mood"}]}, 500)
        else:
            self._reply(respond(body))

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "") == "chunked":
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            body = b"".join(parts)
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

    def _reply(self, answer: Any, status: int = 200) -> None:
        text = json.dumps(answer).encode()
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)
        except OSError:  # the client did not wait
            self.close_connection = True

    def _stream(self, body: bytes) -> dict[str, Any]:
        run, said = self.path.split("/")[-2], json.loads(body)
        history = (said.get("files") or {}).get("wandb-history.jsonl", {})
        for number, line in enumerate(history.get("content", []), history.get("offset", 0)):
            self.server.lines.setdefault(run, {})[number] = line
        if said.get("complete"):
            self.server.complete[run] = said.get("exitcode")
        return {"exitcode": None, "limits": {}}

    def _query(self, body: bytes) -> dict[str, Any]:
        try:
            said = json.loads(body)
        except ValueError:  # telemetry
            return {}
        query, given = said.get("query", ""), said.get("variables") or {}
        found = re.search(r"(?:query|mutation)\s+(\w+)", query)
        name = said.get("operationName") or (found.group(1) if found else "?")
        self.server.calls.append(name)
        respond = getattr(self, f"_{name}", None)
        data = respond(given) if respond else self._viewer() if "viewer" in query else {}
        return {"data": data}

    def _viewer(self) -> dict[str, Any]:
        teams = {"edges": []}
        return {"viewer": {"id": "VXNl", "entity": "tester", "username": "tester", "flags": "{}", "teams": teams}}

    def _UpsertBucket(self, given: dict[str, Any]) -> dict[str, Any]:
        run = given.get("name") or "run"
        known = self.server.runs.setdefault(run, {})
        inserted = not known
        known.update({name: value for name, value in given.items() if value is not None})
        project = {"id": "UHJv", "name": given.get("project") or "p", "entity": {"id": "RW50", "name": "tester"}}
        bucket = {"id": "UnVu", "name": run, "displayName": given.get("displayName") or run, "description": None}
        bucket |= {"config": given.get("config") or "{}", "sweepName": None, "project": project}
        bucket["historyLineCount"] = len(self.server.lines.get(run, {}))
        return {"upsertBucket": {"bucket": bucket, "inserted": inserted}}

    def _RunResumeStatus(self, given: dict[str, Any]) -> dict[str, Any]:
        run = given.get("name") or given.get("run") or ""
        if run not in self.server.runs:
            return {"model": None}
        lines = [line for _, line in sorted(self.server.lines.get(run, {}).items())]
        bucket = {"id": "UnVu", "name": run, "historyLineCount": len(lines), "logLineCount": 0, "eventsLineCount": 0}
        bucket |= {"historyTail": json.dumps(lines[-1:]), "eventsTail": "[]", "summaryMetrics": "{}"}
        bucket |= {"config": self.server.runs[run].get("config") or "{}", "tags": [], "wandbConfig": '{"t": {"1": []}}'}
        entity = {"id": "RW50", "name": "tester"}
        return {"model": {"id": "UHJv", "name": "p", "entity": entity, "bucket": bucket}}

    def _CreateRunFiles(self, given: dict[str, Any]) -> dict[str, Any]:
        files = [{"name": name, "uploadUrl": f"{self.server.url}/storage/{name}"} for name in given["files"]]
        return {"createRunFiles": {"runID": "UnVu", "uploadHeaders": [], "files": files}}
