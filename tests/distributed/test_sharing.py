"""Three processes that divide the optimizer's matrices move the weights as one that does them all."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch
import torch.multiprocessing
from torch import nn

from armature.muon import Muon
from armature.sharing import divided, shared_out


def stepped() -> list[torch.Tensor]:
    """Weights after four steps; two matrices of one shape, a tall one, a wide one, and what AdamW moves."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 24), nn.LayerNorm(24), nn.Linear(24, 6))
    optimizer = Muon(model.parameters(), lr=0.01, weight_decay=0.1)
    for seed in range(4):
        optimizer.zero_grad()
        model(torch.randn(5, 8, generator=torch.Generator().manual_seed(seed))).square().mean().backward()
        optimizer.step()
    return [p.detach() for p in model.parameters()]


def _process(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    store = torch.distributed.FileStore(f"{folder}/store", 3)
    torch.distributed.init_process_group("gloo", store=store, rank=rank, world_size=3)
    made: list[int] = []

    def work(matrices: list[torch.Tensor]) -> list[torch.Tensor]:
        made.extend(int(m[0, 0]) for m in matrices)
        return [m * 2 for m in matrices]

    # As many as processes and one more, then fewer: a process without work still hears of the others'.
    given = [torch.full((2, 3 + i), float(i), dtype=torch.float64 if i == 1 else torch.float32) for i in range(4)]
    doubled, alone = shared_out(given, work), shared_out(given[1:2], work)
    torch.save({"made": made, "doubled": doubled, "alone": alone, "weights": stepped()}, f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_each_matrix_is_made_once_and_all_processes_move_as_one_alone(tmp_path: Path) -> None:
    torch.multiprocessing.start_processes(_process, (str(tmp_path),), nprocs=3, start_method="fork")
    found = [torch.load(tmp_path / f"{rank}.pt") for rank in range(3)]
    assert sorted(itertools.chain(*(f["made"] for f in found))) == [0, 1, 1, 2, 3]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as the processes have: two sum in another order
    expected = stepped()
    torch.set_num_threads(threads)
    for process in found:
        assert [m.tolist() for m in process["doubled"]] == [[[2.0 * i] * (3 + i)] * 2 for i in range(4)]
        assert [m.dtype for m in process["doubled"]] == [torch.float32, torch.float64, torch.float32, torch.float32]
        assert process["alone"][0].tolist() == [[2.0] * 4] * 2
        for a, b in zip(process["weights"], expected, strict=True):
            assert torch.equal(a, b)  # to the bit, or networks drift apart


def test_alone_everything_is_done_here() -> None:
    given = [torch.ones(2, 3), torch.zeros(4, 4)]
    assert [m.tolist() for m in shared_out(given, lambda m: m)] == [m.tolist() for m in given]


@pytest.mark.parametrize("parts", [1, 2, 3, 5])
def test_the_dearest_part_is_at_most_a_third_above_the_best_division(parts: int) -> None:
    costs = [7.0, 1.0, 5.0, 5.0, 3.0, 2.0]
    found = divided(costs, parts)
    assert sorted(itertools.chain(*found)) == list(range(len(costs)))
    tried = itertools.product(range(parts), repeat=len(costs))
    best = min(max(sum(c for c, p in zip(costs, t, strict=True) if p == part) for part in range(parts)) for t in tried)
    assert max(sum(costs[i] for i in items) for items in found) <= 4 / 3 * best
