"""A run that takes a second: a network with randomness in it, averaged weights, and data in an order of its own."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, Sampler

from armature.callbacks.checkpoints import Checkpoints
from armature.callbacks.history import History
from armature.callbacks.interrupt import Interrupt
from armature.callbacks.seeding import StepSeeds
from armature.training import trainer


class Rows(Dataset):
    """Row i is i, so that a log of batches shows which were seen."""

    def __init__(self, length: int, seconds: float = 0.0) -> None:
        self.length, self.seconds = length, seconds

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> torch.Tensor:
        time.sleep(self.seconds)
        return torch.tensor(float(index))


class Order(Sampler):
    """A permutation by epoch."""

    def __init__(self, length: int) -> None:
        self.length, self.epoch, self.skip = length, 0, 0

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Any:
        generator = torch.Generator().manual_seed(self.epoch)
        return iter(torch.randperm(self.length, generator=generator).tolist()[self.skip :])

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch


class Loader(DataLoader):
    """Reads nothing before it is asked, and can be moved; as ``armature.data.loader.Loader``."""

    def __iter__(self) -> Any:
        def run() -> Any:
            rows = super(Loader, self).__iter__()
            yield from rows

        return run()

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        skip = state.get("batches", 0)
        self.sampler.skip = skip * self.batch_size if skip < len(self) else 0


class Data(pl.LightningDataModule):
    def __init__(self, rows: int = 12, batch: int = 2, seconds: float = 0.0, val: int = 6) -> None:
        super().__init__()
        self.rows, self.batch, self.seconds, self.held = rows, batch, seconds, val

    def train_dataloader(self) -> Loader:
        return _OneSkip(Rows(self.rows, self.seconds), batch_size=self.batch, sampler=Order(self.rows))

    def val_dataloader(self) -> DataLoader:
        return DataLoader(Rows(self.held), batch_size=2)


class _OneSkip(Loader):
    """The skip is for the first pass only."""

    def __iter__(self) -> Any:
        def run() -> Any:
            rows = DataLoader.__iter__(self)
            sampler: Any = self.sampler
            first = True
            for row in rows:
                if first:
                    sampler.skip, first = 0, False
                yield row

        return run()


class Module(pl.LightningModule):
    """Logs what PoseModule logs, in the same places."""

    def __init__(self, score: Any = None, seconds: float = 0.0, seen: Path | None = None) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(1, 8), nn.Dropout(0.5), nn.Linear(8, 1))
        self.average = nn.Linear(1, 8).requires_grad_(False)
        self.losses: dict[str, torch.Tensor] = {}
        self.score, self.seconds, self.seen = score, seconds, seen
        self.on_batch: Any = None
        self.on_val_batch: Any = None

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> torch.Tensor:
        if self.seen:
            with open(self.seen, "a") as file:
                print("batch", self.current_epoch, batch_idx, *batch.int().tolist(), file=file)
        if self.on_batch:
            self.on_batch(self, batch_idx)
        time.sleep(self.seconds)
        loss = (self.net(batch[:, None] / 12) - batch[:, None] / 6).square().mean()
        self.losses = {"train/fit": loss.detach(), "train/total": 2 * loss.detach()}
        self.log_dict(self.losses, on_step=False, on_epoch=True, batch_size=len(batch))
        return loss

    def on_train_batch_end(self, *args: Any) -> None:
        with torch.no_grad():
            self.average.weight.lerp_(self.net[0].weight, 0.1)

    def validation_step(self, batch: torch.Tensor, batch_idx: int) -> None:
        if self.seen:
            with open(self.seen, "a") as file:
                print("val", self.current_epoch, *batch.int().tolist(), file=file)
        if self.on_val_batch:
            self.on_val_batch(self, batch_idx)

    def on_validation_epoch_end(self) -> None:
        value = self.score(self.current_epoch) if self.score else float(self.average.weight.sum())
        self.log_dict({"val/AP": torch.tensor(value, dtype=torch.float64), "val/error/mean": 1.0})

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.AdamW(self.parameters(), lr=0.01)
        steps = int(self.trainer.estimated_stepping_batches)  # sets the loaders up before the loops are restored
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (1 + step) if steps else 1.0)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def fit(
    folder: Path, module: Module, epochs: int = 3, resume: bool = False, data: Data | None = None, **options: Any
) -> tuple[pl.Trainer, Checkpoints]:
    """Trains ``module`` in ``folder`` with the project's callbacks in their order."""
    pl.seed_everything(1, verbose=False)
    kept = {name: options.pop(name) for name in ("monitor", "mode", "every_seconds", "failures") if name in options}
    extra = options.pop("callbacks", [])
    checkpoints = Checkpoints(folder / "checkpoints", {"seed": 1}, **{"every_seconds": 0.0, **kept})
    callbacks = [StepSeeds(1), *extra, History(folder), Interrupt(checkpoints, folder), checkpoints]
    own = trainer(callbacks, options.pop("logger", False), folder, "32", "cpu", max_epochs=epochs, **options)
    path = str(checkpoints.last) if resume else None
    own.fit(module, datamodule=data or Data(), ckpt_path=path, weights_only=True)
    return own, checkpoints


def fresh(**options: Any) -> Module:
    """A module with the same weights every time."""
    torch.manual_seed(0)
    return Module(**options)


if __name__ == "__main__":  # a process to send signals to: folder, seconds a step, epochs, then "resume", "two"
    from armature.errors import Interrupted

    where = Path(sys.argv[1])
    more: dict[str, Any] = {"devices": 2, "strategy": "ddp"} if "two" in sys.argv else {}
    torch.set_num_threads(1)
    try:
        module = fresh(seconds=float(sys.argv[2]), seen=where / "seen.txt")
        fit(where, module, int(sys.argv[3]), "resume" in sys.argv, **more)
    except Interrupted as stop:
        print(stop, file=sys.stderr)
        sys.exit(stop.code)
