"""A connection from every rank of a distributed run to the first: hands the run over, and notices who dies.

The system closes the connections of a process that ends, of whatever cause, so a death is known at once and no
heartbeat has to be guessed at. Collectives would notice it late (NCCL), or in somebody else's name (gloo).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from armature.errors import UserError

#: Seconds in which reports of one failure are collected before it is said who was first; a killed process takes its
#: neighbours' collectives down with it, and theirs is not the cause.
SETTLE = 1.0
#: Seconds that the first rank has, once another is lost, to end by itself; then it is ended. Others end at once.
GRACE = 8.0
#: Seconds to wait for the first rank to be there at all.
PATIENCE = 300.0
#: What a rank says whose neighbour is gone: not the cause of anything.
_CONSEQUENCE = re.compile(r"(closed|reset|refused) by peer|gloo|NCCL|DistBackendError|DistNetworkError|Broken pipe")
#: A host that vanishes without closing anything is given up after idle + interval * count seconds.
_KEEPALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}


@dataclass
class Loss:
    """A rank that failed: what it said (a traceback, a message), or "" if it died without a word."""

    rank: int
    who: str
    text: str = ""
    code: int = 1
    when: float = field(default_factory=time.monotonic)

    @property
    def consequence(self) -> bool:
        """Whether it complains only of another rank's end."""
        return bool(_CONSEQUENCE.search((self.text.strip().splitlines() or [""])[-1]))

    def __str__(self) -> str:
        how = "failed" if self.text else "died without a word (killed, or out of memory)"
        return f"rank {self.rank} ({self.who}) {how}"


class _Connection:
    """Lines of JSON over a socket that no forked process keeps open."""

    def __init__(self, end: socket.socket) -> None:
        self.end = end
        self.file = end.makefile("r", encoding="utf-8")
        self._lock = threading.Lock()
        end.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEPALIVE.items():
            if hasattr(socket, name):
                end.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        os.register_at_fork(after_in_child=lambda: os.close(end.fileno()) if end.fileno() >= 0 else None)

    def send(self, message: dict[str, Any]) -> bool:
        """Whether the system took it."""
        with self._lock:
            try:
                self.end.sendall(json.dumps(message).encode() + b"\n")
            except OSError:
                return False
        return True

    def receive(self) -> dict[str, Any] | None:
        """The next message, None at the end."""
        try:
            line = self.file.readline()
            return json.loads(line) if line.endswith("\n") else None
        except (OSError, ValueError):
            return None

    def close(self) -> None:
        for close in (lambda: self.end.shutdown(socket.SHUT_RDWR), self.file.close, self.end.close):
            try:
                close()
            except OSError:
                continue


class Hub:
    """The first rank's end of every connection.

    Args:
        world: ranks, this one included. token: what they say to be let in. host, port: to listen at.
        on_loss: called in a thread once it is clear who was lost first, before this process may be ended.

    Attributes:
        lost: the rank that failed first, None while all is well.
    """

    def __init__(self, world: int, token: str, host: str = "", port: int = 0) -> None:
        self.world, self.token = world, token
        self.lost: Loss | None = None
        self.on_loss: Callable[[Loss], None] = lambda loss: None
        self._connections: dict[int, _Connection] = {}
        self._gone: set[int] = set()
        self._losses: list[Loss] = []
        self._given: dict[str, Any] | None = None
        self._closed = False
        self._lock, self._news = threading.RLock(), threading.Condition()
        self._server = socket.create_server((host, port), backlog=world)
        os.register_at_fork(after_in_child=self._server.close)
        _thread(self._accept)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.getsockname()[1])

    def give(self, message: dict[str, Any]) -> None:
        """Sends every rank, also those that come later, what it needs to take part."""
        with self._lock:
            self._given = {"given": message}
            for connection in self._connections.values():
                connection.send(self._given)

    def lose(self, loss: Loss) -> None:
        """Takes note of a failure, of this rank's too."""
        with self._lock:
            if self._closed or loss.rank in self._gone:
                return
            self._gone.add(loss.rank)
            self._losses.append(loss)
            if len(self._losses) == 1:
                _thread(self._settle)

    def verdict(self) -> Loss | None:
        """Who failed first, asked when something has gone wrong here; waits until that is clear."""
        with self._news:
            self._news.wait_for(lambda: self.lost is not None, timeout=2 * SETTLE)
        return self.lost

    def left(self, seconds: float) -> bool:
        """Whether all the others have said goodbye, which they are given so many seconds for."""
        with self._news:
            return self._news.wait_for(lambda: len(self._gone) >= self.world - 1, timeout=seconds)

    def close(self, reason: str = "", code: int = 1) -> None:
        """Ends whoever is still there, with ``reason``, and the connections."""
        with self._lock:
            self._closed = True
            for rank, connection in self._connections.items():
                if rank not in self._gone:
                    connection.send({"end": reason, "code": code})
                connection.close()
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)  # closing alone would leave the thread that accepts asleep in it
        self._server.close()

    # ------------------------------------------------------------------ threads

    def _accept(self) -> None:
        while not self._closed:
            try:
                end, _ = self._server.accept()
            except OSError:
                return
            _thread(self._serve, _Connection(end))

    def _serve(self, connection: _Connection) -> None:
        hello = connection.receive() or {}
        if hello.get("token") != self.token:
            connection.send({"end": "this is another run", "code": 1})
            connection.close()
            return
        rank, who = int(hello["rank"]), str(hello["who"])
        with self._lock:
            self._connections[rank] = connection
            if self._given is not None:
                connection.send(self._given)
        self._listen(connection, rank, who)

    def _listen(self, connection: _Connection, rank: int, who: str) -> None:
        while True:
            message = connection.receive()
            if message is None:
                self.lose(Loss(rank, who))
                return
            if "failed" in message:
                self.lose(Loss(rank, who, message["failed"], message["code"]))
            if "bye" in message:
                with self._news:
                    self._gone.add(rank)
                    self._news.notify_all()
                return

    def _settle(self) -> None:
        """Decides who was first, once everybody has had time to complain."""
        time.sleep(SETTLE)
        with self._lock:
            loss = min(self._losses, key=lambda loss: (loss.consequence, loss.when))
        if loss.rank != 0:  # this rank's own traceback comes from Python itself
            print(f"{loss}\n{loss.text}".rstrip(), file=sys.stderr, flush=True)
        with self._lock:
            for connection in self._connections.values():
                connection.send({"end": str(loss), "code": loss.code})
        with self._news:
            self.lost = loss
            self._news.notify_all()
        if loss.rank != 0:
            self.on_loss(loss)
            time.sleep(GRACE)
            if not self._closed:
                os._exit(loss.code)


class Line:
    """Another rank's end.

    Args:
        rank: its number. token: of the run. locate: where the first rank listens; asked again until it answers.

    Raises:
        UserError: nobody there for ``patience`` seconds, or the first rank ends the run before it has begun.
    """

    def __init__(
        self, rank: int, token: str, locate: Callable[[], tuple[str, int]], patience: float = PATIENCE
    ) -> None:
        self.rank = rank
        self._connection = _Connection(_connected(locate, patience))
        self._connection.send({"token": token, "rank": rank, "who": identity()})
        self._left = self._said_bye = False

    def given(self) -> dict[str, Any]:
        """What the first rank gives, waiting for it; from then on this process ends when the first one says so.

        Raises:
            Ended: the first rank has ended the run instead.
        """
        message = self._connection.receive()
        if message is None or "given" not in message:
            raise Ended((message or {}).get("code", 1))
        _thread(self._listen)
        return dict(message["given"])

    def failed(self, text: str, code: int = 1) -> None:
        """Tells the first rank what went wrong; the first call counts."""
        if not self._left:
            self._left = True
            self._connection.send({"failed": text, "code": code})

    def bye(self) -> None:
        """Leaves in peace."""
        if not self._left:
            self._left = self._said_bye = True
            self._connection.send({"bye": True})

    def _listen(self) -> None:
        message = self._connection.receive()
        if self._said_bye:
            return
        if message is None and self.rank == 1:  # one is enough to say so
            print("rank 0 died without a word (killed, or out of memory); the others end", file=sys.stderr, flush=True)
        os._exit((message or {}).get("code", 1))


class Ended(Exception):
    """The first rank has ended the run and said why itself.

    Args:
        code: exit code.
    """

    def __init__(self, code: int) -> None:
        super().__init__()
        self.code = code


def identity() -> str:
    """How a process is named to people."""
    return f"pid {os.getpid()} on {socket.gethostname()}"


def free_port() -> int:
    """A port that nothing uses just now."""
    with socket.create_server(("", 0)) as server:
        return int(server.getsockname()[1])


def _connected(locate: Callable[[], tuple[str, int]], patience: float) -> socket.socket:
    deadline = time.monotonic() + patience
    while True:
        place: tuple[str, int] | None = None
        try:
            place = locate()
            end = socket.create_connection(place, timeout=10)
            end.settimeout(None)
            return end
        except OSError as error:
            if time.monotonic() > deadline:
                where = f"{place[0]}:{place[1]}" if place else "where it should be"
                raise UserError(f"rank 0 is not to be found at {where} after {patience:.0f} s: {error}") from error
            time.sleep(0.1)


def _thread(target: Callable[..., None], *args: Any) -> None:
    threading.Thread(target=target, args=args, daemon=True, name="lifeline").start()
