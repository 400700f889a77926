"""The one LightningModule: any model, any codec, any losses, one step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.optim.swa_utils import AveragedModel
from torchmetrics import Metric

from armature.architectures.protocol import Codec, Sum
from armature.clock import Clock
from armature.errors import ConfigError
from armature.multiscale import MultiScale
from armature.ops.overlaps import mirrored
from armature.optimisation import parameter_groups
from armature.structures import Batch, Instances, Outputs, Poses, Target


class PoseModule(pl.LightningModule):
    """Trains ``model`` so that ``codec`` decodes people from its outputs.

    Args:
        model: images -> named tensors. codec: people <-> named tensors. loss: named tensors against named targets.
        metrics: updated with people in source pixels, computed once per validation.
        optimizer: parameter groups -> Optimizer. schedule: (Optimizer, steps=...) -> LRScheduler, stepped per batch.
        augmentation: float images -> float images, training only.
        average: model -> AveragedModel; its weights, where given, are the ones that are validated and kept.
        flip_test: predict on the mirrored image too, merged by the codec.
        multi_scale: predicts people at several sizes of the images; None at the canvas's own.
        proposals: batch -> boxes from elsewhere, for networks with a second stage; None lets them find their own.
        channels_last: lay images and kernels out as NHWC: for bf16 and tensor cores; not faster everywhere.
        compile: torch.compile the network.
        schedule_epochs: epochs that the schedule spans; None means the trainer's max_epochs.
    """

    def __init__(
        self,
        model: nn.Module,
        codec: Codec,
        loss: Sum,
        metrics: Metric,
        optimizer: Callable[..., Optimizer] | None = None,
        schedule: Callable[..., LRScheduler] | None = None,
        augmentation: nn.Module | None = None,
        average: Callable[[nn.Module], AveragedModel] | None = None,
        flip_test: bool = False,
        channels_last: bool = True,
        compile: bool = False,
        schedule_epochs: int | None = None,
        multi_scale: MultiScale | None = None,
        proposals: Callable[[Batch], Instances] | None = None,
    ) -> None:
        super().__init__()
        if multi_scale is not None and proposals is not None:
            raise ConfigError("multi_scale and proposals exclude each other: boxes are given at one size only")
        self.layout = torch.channels_last if channels_last else torch.contiguous_format
        self.model = model.to(memory_format=self.layout)  # type: ignore[call-overload]
        self.average = average(self.model) if average else None
        self.codec, self.loss, self.metrics, self.augmentation = codec, loss, metrics, augmentation
        self.optimizer, self.schedule, self.schedule_epochs = optimizer, schedule, schedule_epochs
        self.flip_test, self.multi_scale, self.proposals = flip_test, multi_scale, proposals
        self.clock = Clock()
        self.losses: dict[str, Tensor] = {}
        if compile:
            self.model.compile()

    @property
    def network(self) -> nn.Module:
        """What predicts: the averaged weights where an average is kept."""
        return self.average.module if self.average is not None else self.model

    def configure_model(self) -> None:
        """Lightning's hook: a strategy that trains the network in pieces cuts it up here."""
        shard = getattr(self.trainer.strategy, "shard", None)
        if shard is None:
            return
        if self.average is not None:
            raise ConfigError("a network in pieces has no average of its weights: give average=none with trainer=fsdp")
        shard(self.model)

    # ------------------------------------------------------------------ batches

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Images become float in [0, 1] on the device, so that the loader moves bytes; augmentation in training."""
        if batch.images.dtype == torch.uint8:
            batch.images = batch.images.float().div_(255)
        if self.trainer.training and self.augmentation is not None:
            batch.images = self.augmentation(batch.images)
        batch.images = batch.images.contiguous(memory_format=self.layout)
        return batch

    # ------------------------------------------------------------------ steps

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        outputs = self.model(batch.images, batch.instances)
        losses = self.loss(outputs, self.encode(outputs, batch))
        each = {f"train/{name}": value.detach() for name, value in losses.items()}
        self.losses = each
        self.log_dict(each, on_step=False, on_epoch=True, sync_dist=True, batch_size=len(batch.images))
        return losses["total"]

    @torch.no_grad()
    def encode(self, outputs: Outputs, batch: Batch) -> dict[str, Target]:
        """The codec's targets in float32, whatever the network's precision."""
        with self.clock.span("encode"), _exactly(batch.images):
            return self.codec.encode({name: value.detach().float() for name, value in outputs.items()}, batch)

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        if self.average is not None and (batch_idx + 1) % self.trainer.accumulate_grad_batches == 0:
            self.average.update_parameters(self.model)

    def predict_step(self, batch: Batch, batch_idx: int = 0) -> list[Poses]:
        """People in source pixels, for every architecture."""
        given = batch.proposals if batch.proposals is not None or not self.proposals else self.proposals(batch)
        people = self.find(batch.images, given)
        with _exactly(batch.images):  # a product of matrices under autocast would round places to half a pixel
            return [found.transform(matrix) for found, matrix in zip(people, batch.to_source, strict=True)]

    def find(self, images: Tensor, given: Instances | None = None) -> list[Poses]:
        """People on the canvas. ``given``: where a second stage is to look; None: where the first one says."""
        if self.multi_scale is not None:
            with self.clock.span("network"):
                return self.multi_scale(self.predict_outputs, self.codec, images)
        with self.clock.span("network"):
            outputs = self.predict_outputs(images, given)
        with self.clock.span("decode"), _exactly(images):
            return self.codec.decode(outputs, (images.shape[0], images.shape[2], images.shape[3]))

    def predict_outputs(self, images: Tensor, given: Instances | None = None) -> Outputs:
        """What the network says, merged with what it says of the mirrored images if ``flip_test``."""
        outputs = self.network(images, given)
        if not self.flip_test:
            return outputs
        if given is not None:
            given = replace(given, boxes=mirrored(given.boxes, images.shape[-1]))
        flipped = self.network(images.flip(-1), given)
        with _exactly(images):
            return self.codec.unflip(outputs, flipped)

    # ------------------------------------------------------------------ validation

    def on_validation_epoch_start(self) -> None:
        # Reset here and not after compute, so that callbacks can still ask the metric for its predictions.
        self.metrics.reset()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self.metrics.update(self.predict_step(batch, batch_idx), batch.image_ids)

    def on_validation_epoch_end(self) -> None:
        with self.clock.span("evaluation"):
            results = self.metrics.compute()
        # Every process computes the same numbers from all gathered predictions: nothing is averaged over processes.
        self.log_dict({f"val/{name}": torch.as_tensor(value, dtype=torch.float64) for name, value in results.items()})

    # ------------------------------------------------------------------ optimisation

    def configure_gradient_clipping(
        self, optimizer: Optimizer, gradient_clip_val: float | None = None, gradient_clip_algorithm: str | None = None
    ) -> None:
        """Clips as the trainer is told to; also for fused optimizers, which Lightning refuses under any autocast.

        The refusal is right for float16, where a fused optimizer unscales gradients itself; without a scaler it is not.
        """
        scaled = getattr(self.trainer.precision_plugin, "scaler", None) is not None
        if scaled or not gradient_clip_val or gradient_clip_algorithm == "value":
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)
        else:
            trained = [p for group in optimizer.param_groups for p in group["params"]]
            torch.nn.utils.clip_grad_norm_(trained, gradient_clip_val)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        if self.optimizer is None:
            return None
        # Losses may have weights of their own.
        optimizer = self.optimizer(parameter_groups(nn.ModuleList([self.model, self.loss])))
        if self.schedule is None:
            return optimizer
        schedule = self.schedule(optimizer, steps=self._schedule_steps())
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _schedule_steps(self) -> int:
        total = int(self.trainer.estimated_stepping_batches)
        epochs = self.trainer.max_epochs
        if self.schedule_epochs is None or not epochs or epochs < 0:
            return total
        return round(total / epochs * self.schedule_epochs)


def _exactly(images: Tensor) -> torch.autocast:
    """No autocast on the images' device: codecs compute in the precision of the numbers they are given."""
    return torch.autocast(images.device.type, enabled=False)
