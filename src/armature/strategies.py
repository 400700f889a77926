"""How a network is spread over processes: whole in each of them (DDP), or in pieces (FSDP)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import torch
from lightning_fabric.plugins.environments import ClusterEnvironment
from pytorch_lightning.strategies import DDPStrategy, ModelParallelStrategy
from torch import nn
from torch.distributed.fsdp import FSDPModule, fully_shard

from armature.ranks import Place


class DataParallel(DDPStrategy):
    """Every process has the whole network and its own part of each batch; gradients are averaged.

    Validation leaves DDP's wrapper out: that copies the first process's buffers at every batch, and the processes may
    have different numbers of batches there, so that some would wait for ever. They are copied once, before the first
    batch, so that all processes judge the same network: the one that a checkpoint holds.

    Args:
        timeout_minutes: a collective that takes longer ends the run: a process hangs. A process that dies is noticed
            at once, by other means.
        find_unused_parameters: for networks of which a step may leave a part out; costs a walk over the graph.
        backend: ``gloo`` or ``nccl``; None is what suits the device.
        options: further ones of torch's DistributedDataParallel.
    """

    def __init__(
        self,
        timeout_minutes: float = 30.0,
        find_unused_parameters: bool = False,
        backend: str | None = None,
        **options: Any,
    ) -> None:
        options |= {"find_unused_parameters": find_unused_parameters}
        super().__init__(timeout=timedelta(minutes=timeout_minutes), process_group_backend=backend, **options)

    def on_validation_start(self) -> None:
        if self.model is not self.lightning_module:
            _copy_buffers(self.lightning_module)

    def validation_step(self, *args: Any, **kwargs: Any) -> Any:
        assert self.lightning_module is not None
        with self.precision_plugin.val_step_context():
            return self.lightning_module.validation_step(*args, **kwargs)


class Sharded(ModelParallelStrategy):
    """Every process has its piece of the weights, gradients and optimizer states (FSDP2, torch's ``fully_shard``).

    For networks whose training does not fit one device. Checkpoints hold the whole network, as any other run's. There
    is no average of the weights (``average=none``), and the layout is NCHW: torch shards contiguous tensors only.

    Args:
        min_parameters: parts of at least this size are gathered and freed one by one; the rest with the whole.
        timeout_minutes, backend: as for ``DataParallel``.
    """

    def __init__(
        self, min_parameters: int = 1_000_000, timeout_minutes: float = 30.0, backend: str | None = None
    ) -> None:
        super().__init__(
            save_distributed_checkpoint=False,
            process_group_backend=backend,
            timeout=timedelta(minutes=timeout_minutes),
        )
        self.min_parameters = min_parameters

    def setup_environment(self) -> None:
        self._data_parallel_size, self._tensor_parallel_size = self.num_nodes * self.num_processes, 1
        super().setup_environment()

    def shard(self, network: nn.Module) -> None:
        """Cuts a network up, in place; once is enough."""
        if isinstance(network, FSDPModule):
            return
        network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        mesh = self.device_mesh["data_parallel"]
        for part in _parts(network, self.min_parameters):
            fully_shard(part, mesh=mesh)
        fully_shard(network, mesh=mesh)

    # Validation: as for DataParallel, but here each batch would also gather the weights again.
    def on_validation_start(self) -> None:
        _copy_buffers(self.lightning_module)
        for part in self._pieces():
            part.set_reshard_after_forward(False, recurse=False)
            part.unshard()

    def on_validation_end(self) -> None:
        for part in self._pieces():
            part.set_reshard_after_forward(True, recurse=False)
            part.reshard()

    def _pieces(self) -> list[FSDPModule]:
        assert self.lightning_module is not None
        return [part for part in self.lightning_module.modules() if isinstance(part, FSDPModule)]


def _copy_buffers(module: nn.Module | None) -> None:
    """The first process's buffers (running statistics of normalisations) to all the others."""
    if module is not None and torch.distributed.is_initialized():
        for buffer in module.buffers():
            torch.distributed.broadcast(buffer, src=0)


def _parts(network: nn.Module, least: int) -> list[nn.Module]:
    """The innermost modules that have a ``forward`` and at least so many parameters, children before parents."""
    found = []
    for child in network.children():
        if sum(p.numel() for p in child.parameters()) >= least:
            inner = _parts(child, least)
            found += inner or ([] if isinstance(child, (nn.ModuleList, nn.ModuleDict)) else [child])
    return found


class Processes(ClusterEnvironment):
    """What Lightning asks about the processes of a run, answered from a place among them.

    Args:
        place: of this process. port: at the first rank's host, where the process group meets.
    """

    def __init__(self, place: Place, port: int) -> None:
        self.place, self.port = place, port

    @property
    def creates_processes_externally(self) -> bool:
        return True

    @property
    def main_address(self) -> str:
        return self.place.host

    @property
    def main_port(self) -> int:
        return self.port

    @staticmethod
    def detect() -> bool:
        return False

    def world_size(self) -> int:
        return self.place.world

    def set_world_size(self, size: int) -> None:
        pass

    def global_rank(self) -> int:
        return self.place.rank

    def set_global_rank(self, rank: int) -> None:
        pass

    def local_rank(self) -> int:
        return self.place.local_rank

    def node_rank(self) -> int:
        return self.place.node
