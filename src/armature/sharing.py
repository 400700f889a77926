"""Work that every process would do alike, divided among them: each does its part and tells the others."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch import distributed as dist
from torch.distributed.tensor import DTensor

Work = Callable[[list[Tensor]], list[Tensor]]


def shared_out(matrices: Sequence[Tensor], work: Work) -> list[Tensor]:
    """What ``work`` makes of the matrices, each made by one process of a training and sent to the others.

    For what is the same in all processes, as gradients are after DDP has averaged them. With one process, or weights
    that are spread over processes already (FSDP), it is ``work(matrices)``.

    Args:
        matrices: (r, c) with r <= c, in the same order in every process.
        work: makes of each matrix one of the same shape, type and device, whatever else is in the list.
    """
    ranks = dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1
    if ranks == 1 or any(isinstance(m, DTensor) for m in matrices):
        return work(list(matrices))
    parts = divided([_cost(m) for m in matrices], ranks)
    own = parts[dist.get_rank()]
    made = dict(zip(own, work([matrices[i] for i in own]), strict=True))
    return _exchanged(matrices, parts, made)


def divided(costs: Sequence[float], parts: int) -> list[list[int]]:
    """Which items each part takes, so that no part costs much more than another.

    The largest first, each to the part that has least so far: at most a third above the best division (Graham 1969).
    """
    taken: list[list[int]] = [[] for _ in range(parts)]
    loads = [0.0] * parts
    for item in sorted(range(len(costs)), key=lambda i: (-costs[i], i)):
        least = loads.index(min(loads))
        taken[least].append(item)
        loads[least] += costs[item]
    return [sorted(items) for items in taken]


def _exchanged(matrices: Sequence[Tensor], parts: list[list[int]], made: dict[int, Tensor]) -> list[Tensor]:
    """All results in every process: one message from each, since messages cost more than bytes."""
    me = dist.get_rank()
    widest = functools.reduce(torch.promote_types, (m.dtype for m in matrices))
    messages = [matrices[0].new_empty(sum(matrices[i].numel() for i in p), dtype=widest) for p in parts]
    if parts[me]:
        messages[me] = torch.cat([made[i].reshape(-1).to(widest) for i in parts[me]])
    sent = [dist.broadcast(m, rank, async_op=True) for rank, m in enumerate(messages) if m.numel()]
    for work in sent:
        assert work is not None
        work.wait()
    found: dict[int, Tensor] = {}
    for items, message in zip(parts, messages, strict=True):
        pieces = message.split([matrices[i].numel() for i in items])
        for i, piece in zip(items, pieces, strict=True):
            found[i] = piece.reshape(matrices[i].shape).to(matrices[i].dtype)
    return [found[i] for i in range(len(matrices))]


def _cost(matrix: Tensor) -> float:
    """Multiplications of Muon's iteration: two products with the wide matrix and a dozen of the small squares."""
    rows, columns = matrix.shape
    return float(rows * rows * (2 * columns + 12 * rows))
