"""Two processes with half a batch each normalise as one process with all of it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.multiprocessing
from timm.layers import BatchNormAct2d
from torch import nn

from armature.synced_norms import SyncedNorms


def layers() -> dict[str, nn.Module]:
    torch.manual_seed(3)
    made = {
        "2d": nn.BatchNorm2d(3),
        "1d": nn.BatchNorm1d(3),
        "average": nn.BatchNorm2d(3, momentum=None),
        "plain": nn.BatchNorm2d(3, affine=False),
        "with activation": BatchNormAct2d(3, act_layer=nn.SiLU),
    }
    for layer in made.values():
        for parameter in layer.parameters():
            nn.init.uniform_(parameter, 0.5, 2)
    return made


def batch(name: str) -> torch.Tensor:
    shape = (5, 3, 7) if name == "1d" else (5, 3, 4, 6)
    return torch.randn(shape, generator=torch.Generator().manual_seed(1)) * 2 + 1


def passed(layer: nn.Module, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """Two training steps' output, gradients and running statistics, then what it says in evaluation."""
    for _ in range(2):
        layer.zero_grad()
        x = x.detach().requires_grad_()
        out = layer(x)
        (out * torch.linspace(-1, 2, x.shape[2]).view(1, 1, -1, *[1] * (x.ndim - 3))).square().sum().backward()
    assert x.grad is not None
    found = {"out": out.detach(), "grad": x.grad}
    found |= {f"grad {n}": p.grad for n, p in layer.named_parameters() if p.grad is not None}
    return found | {n: b.clone() for n, b in layer.named_buffers()} | {"eval": layer.eval()(x).detach()}


def _process(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    store = torch.distributed.FileStore(f"{folder}/store", 2)
    torch.distributed.init_process_group("gloo", store=store, rank=rank, world_size=2)
    found = {}
    for name, layer in layers().items():
        share = batch(name)[:3] if rank == 0 else batch(name)[3:]  # not even equally many
        found[name] = passed(SyncedNorms().apply(nn.Sequential(layer)), share)
    torch.save(found, f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.fixture(scope="module")
def halves(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    folder = tmp_path_factory.mktemp("halves")
    torch.multiprocessing.start_processes(_process, (str(folder),), nprocs=2, start_method="fork")
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


@pytest.mark.parametrize("name", layers())
def test_as_one(name: str, halves: list[Any]) -> None:
    whole = passed(nn.Sequential(layers()[name]), batch(name))
    first, second = (half[name] for half in halves)
    for key, value in whole.items():
        if key.startswith("grad "):  # of parameters: DDP adds the processes' up
            found = first[key] + second[key]
        elif key in ("out", "grad", "eval"):
            found = torch.cat([first[key], second[key]])
        else:
            assert torch.equal(first[key], second[key])
            found = first[key]
        torch.testing.assert_close(found, value, rtol=1e-4, atol=1e-4, msg=lambda m, key=key: f"{key}: {m}")


def test_layers_are_given_back() -> None:
    model = nn.Sequential(*layers().values())
    before = [type(layer) for layer in model]
    keys = list(model.state_dict())
    synced = SyncedNorms().apply(model)
    assert [type(layer) for layer in synced] != before and list(synced.state_dict()) == keys
    x = batch("2d")
    torch.testing.assert_close(
        synced[0](x), nn.BatchNorm2d(3).train()(x) * model[0].weight.view(1, 3, 1, 1) + model[0].bias.view(1, 3, 1, 1)
    )
    assert [type(layer) for layer in SyncedNorms().revert(synced)] == before
