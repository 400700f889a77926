"""The processes of a distributed run: started where nobody else did, given the run by the first, ended together."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from armature import ranks
from armature.errors import ConfigError, Interrupted, UserError
from armature.lifeline import GRACE, Ended, Hub, Line, Loss, free_port, identity
from armature.ranks import Place

#: Seconds that the other ranks have to end by themselves once the first one has nothing more to ask of them.
_PARTING = 30.0


class RankLost(Interrupted):
    """A run that ended because one of its other processes did; what that one said has been shown."""


class Crew:
    """All the processes of a run, seen from the first; without others it does nothing.

    Args:
        place: of this process where a launcher started it among others.
    """

    def __init__(self, place: Place | None = None) -> None:
        self.place = place
        self.hub: Hub | None = None
        self.children: list[subprocess.Popen[bytes]] = []
        if place is not None:
            self.hub = Hub(place.world, place.token, port=place.port)
            _publish(place, self.hub.port)

    def gather(self, trainer: Mapping[str, Any]) -> Place | None:
        """The place of this process once there are as many as the config group ``trainer`` asks for.

        Raises:
            ConfigError: a launcher started another number of processes, or several nodes need one.
        """
        devices, nodes = count(trainer, self.place), int(trainer.get("num_nodes") or 1)
        if self.place is not None:
            _agree(self.place, devices, nodes)
        elif nodes > 1:
            raise ConfigError(
                f"trainer.num_nodes={nodes} needs a launcher that starts the processes on every node: "
                f"srun --nodes={nodes} --ntasks-per-node={devices} armature train ... or torchrun --nnodes={nodes} "
                f"--nproc-per-node={devices} --rdzv-backend=c10d --rdzv-endpoint=HOST:PORT -m armature train ..."
            )
        elif devices > 1:
            self._start(devices)
        return self.place

    def give(self, message: dict[str, Any]) -> int:
        """Hands the run over to the others; the port at which all will meet."""
        port = free_port() if self.hub is not None else 0
        if self.hub is not None:
            self.hub.give(message | {"port": port})
        return port

    def warn_before_end(self, act: Callable[[], None]) -> None:
        """Has ``act`` done when another process is lost, before this one may be ended in the middle of something."""
        if self.hub is not None:
            self.hub.on_loss = lambda loss: act()

    def failing(self, error: BaseException) -> None:
        """Says at once that this process fails, so that nobody else's complaint is taken for the cause."""
        if self.hub is not None and not isinstance(error, Interrupted):
            self.hub.lose(Loss(0, identity(), told(error), code_of(error)))

    def verdict(self, error: BaseException) -> Loss | None:
        """The rank whose failure was the cause of this process's, None if that was its own."""
        self.failing(error)
        lost = self.hub.verdict() if self.hub is not None else None
        return None if lost is None or lost.rank == 0 else lost

    def part(self, error: BaseException | None) -> None:
        """Ends the others: in peace after a run, at once after a failure."""
        if self.hub is None:
            return
        asked = error is None or isinstance(error, Interrupted)
        self.hub.left(_PARTING if asked and self.hub.lost is None else 0.0)
        self.hub.close("" if error is None else str(error), 0 if error is None else code_of(error))
        deadline = time.monotonic() + (5.0 if asked else 1.0)
        for child in self.children:
            try:
                child.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        if asked:  # else it may wait for the dead
            _leave_group()
        self.hub = None

    def _start(self, world: int) -> None:
        """This process becomes rank 0 of ``world``; the others are told by their environment who they are."""
        self.place = Place(0, world, 0, world, 0, "armature", "127.0.0.1", 0, secrets.token_hex(8))
        self.hub = Hub(world, self.place.token, "127.0.0.1")
        meeting = {ranks.MEETING: f"127.0.0.1:{self.hub.port}", ranks.TOKEN: self.place.token}
        for rank in range(1, world):
            own = {**os.environ, **ranks.numbers(rank, world, rank, world, 0), **meeting}
            command = [sys.executable, "-m", "armature", "train"]
            self.children.append(subprocess.Popen(command, env=own, stdin=subprocess.DEVNULL))
        _watch(self.hub, self.children)


#: The processes of the run that this one leads; there is one run in a process at a time.
_current: Crew | None = None


@contextmanager
def leading(distributed: bool = True) -> Iterator[Crew]:
    """The crew of this process as the first of its run; whatever ends this process ends the others.

    Args:
        distributed: whether what is done is done together; otherwise every process is on its own.

    Raises:
        RankLost: another process failed first, and this one therefore.
    """
    global _current
    crew = _current = Crew(ranks.found() if distributed else None)
    ended: BaseException | None = None
    try:
        yield crew
    except BaseException as error:
        ended = error
        lost = None if isinstance(error, (Interrupted, KeyboardInterrupt)) else crew.verdict(error)
        if lost is not None:
            ended = RankLost(f"stopped: {lost}, see above; the other processes were ended", lost.code)
            raise ended from None
        raise
    finally:
        crew.part(ended)
        _current = None


@contextmanager
def joined() -> Iterator[Crew]:
    """The crew of the ``leading`` around this, or one of its own."""
    if _current is not None:
        yield _current
    else:
        with leading(distributed=False) as crew:
            yield crew


@contextmanager
def following() -> Iterator[Line]:
    """The line to the first rank, for a process that is another; its failure is told there and shown there.

    Raises:
        SystemExit: with the code of the failure, whoever's it was.
    """
    place = ranks.found()
    assert place is not None
    line: Line | None = None
    try:
        line = Line(place.rank, place.token, lambda: _located(place))
        yield line
        line.bye()
        _leave_group()
    except Interrupted as stop:
        assert line is not None
        line.bye()
        raise SystemExit(stop.code) from None
    except Ended as end:
        raise SystemExit(end.code) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except BaseException as error:
        if line is None:
            raise
        report(line, error)
        time.sleep(GRACE)  # till the first one has shown it: a launcher that sees this process end may end that one too
        raise SystemExit(code_of(error)) from None


def report(line: Line, error: BaseException) -> None:
    """Tells the first rank of an error; of being interrupted it knows."""
    if not isinstance(error, Interrupted):
        line.failed(told(error), code_of(error))


def count(trainer: Mapping[str, Any], place: Place | None = None) -> int:
    """Processes on each node that a ``trainer`` config asks for; ``auto`` is as many as were started, or devices.

    Raises:
        ConfigError: ``devices`` that is no number of devices.
    """
    devices = trainer.get("devices", 1)
    if isinstance(devices, str) and "," in devices:
        devices = [part for part in devices.split(",") if part.strip()]
    if isinstance(devices, (list, tuple)) or hasattr(devices, "_iter_ex"):
        return len(devices)
    if devices in ("auto", -1, "-1", None):
        return place.local_world if place is not None else _accelerators(str(trainer.get("accelerator", "auto")))
    try:
        number = int(devices)
    except (TypeError, ValueError):
        number = 0
    if number < 1:
        raise ConfigError(f"trainer.devices={devices}: a number of devices from 1, a list of them, or auto")
    return number


def told(error: BaseException) -> str:
    """What people are shown of an error: the message of the user's mistakes, the traceback of ours."""
    if isinstance(error, UserError):
        return f"error: {error}"
    return "".join(traceback.format_exception(error))


def code_of(error: BaseException) -> int:
    """The exit code for an error, as the command line has it."""
    return error.code if isinstance(error, Interrupted) else 2 if isinstance(error, UserError) else 1


def _agree(place: Place, devices: int, nodes: int) -> None:
    if (place.local_world, place.nodes) != (devices, nodes):
        raise ConfigError(
            f"{place.launcher} started {place.local_world} processes on each of {place.nodes} nodes, but the config "
            f"asks for trainer.devices={devices} trainer.num_nodes={nodes}; give trainer.devices={place.local_world} "
            f"trainer.num_nodes={place.nodes} (with trainer=ddp), or start as many processes as the config asks for"
        )


def _accelerators(accelerator: str) -> int:
    import torch

    gpus = torch.cuda.device_count() if accelerator in ("auto", "gpu", "cuda") else 0
    return max(1, gpus)


def _watch(hub: Hub, children: list[subprocess.Popen[bytes]]) -> None:
    """Notices a child that dies before it has a line, or while forked processes of its own hold the line open."""
    import threading

    def wait(rank: int, child: subprocess.Popen[bytes]) -> None:
        code = child.wait()
        if code:
            time.sleep(0.2)  # what it had to say is on its way
            how = f"pid {child.pid}, " + (f"signal {-code}" if code < 0 else f"exit code {code}")
            hub.lose(Loss(rank, how))

    for rank, child in enumerate(children, 1):
        threading.Thread(target=wait, args=(rank, child), daemon=True, name="children").start()


def _leave_group() -> None:
    if "torch" in sys.modules:
        import torch.distributed as distributed

        if distributed.is_available() and distributed.is_initialized():
            distributed.destroy_process_group()


def _publish(place: Place, port: int) -> None:
    if place.launcher == "torchrun" and not place.port:
        _store(place).set(_key(place), str(port))


def _located(place: Place) -> tuple[str, int]:
    if place.port:
        return place.host, place.port
    return place.host, int(_store(place).get(_key(place)))


def _store(place: Place) -> Any:
    """torchrun's own store, which it keeps for its workers."""
    from torch.distributed import TCPStore

    return TCPStore(place.host, int(os.environ["MASTER_PORT"]), is_master=False)


def _key(place: Place) -> str:
    return f"armature/{place.token}"
