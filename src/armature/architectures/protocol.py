"""What an architecture is: a model, a codec and the loss terms that belong to them.

``check`` compares the three before training starts, so that a term that reads an output nobody emits is an
error in the first second and not a silent zero.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from armature.errors import ConfigError
from armature.structures import Batch, Instances, Outputs, Poses, Target


@runtime_checkable
class Model(Protocol):
    """An ``nn.Module`` from images to named tensors; what it returns never depends on ``self.training``.

    ``instances`` only decides WHERE a second stage looks (teacher forcing of proposals and crops), never what is
    predicted. One-stage models ignore it.
    """

    def __call__(self, images: Tensor, instances: Instances | None = None) -> Outputs: ...


@runtime_checkable
class Codec(Protocol):
    """Both directions between people on the canvas and a network's named tensors.

    ``encode`` runs on the device, under ``no_grad``, in float32. ``decode`` answers in the canvas frame; canvas is
    (B, H, W). ``unflip`` merges the outputs of images and of mirrored images. ``ideal`` gives the outputs of a
    perfect network, and with them the codec's own ceiling ("oracle AP"). ``protocol`` states for the protocol card how
    people come about: ``box_source``, ``score_rule``, ``nms``. ``tolerance`` is how exactly a lone person's joints come
    back from ``decode(ideal(encode))``, in canvas px, for nine joints in ten.

    Optional: ``drawable(outputs, targets, (H, W)) -> dict[str, Drawable]`` says where on the canvas its targets lie
    (``ops.drawable``); without it they are drawn by their shape, maps and fields alone.
    """

    @property
    def protocol(self) -> dict[str, str]: ...

    @property
    def tolerance(self) -> float: ...

    def encode(self, outputs: Outputs, batch: Batch) -> dict[str, Target]: ...

    def decode(self, outputs: Outputs, canvas: tuple[int, int, int]) -> list[Poses]: ...

    def unflip(self, outputs: Outputs, flipped: Outputs) -> Outputs: ...

    def ideal(self, outputs: Outputs, targets: dict[str, Target]) -> Outputs: ...


class Term(nn.Module):
    """One weighted loss on one named output.

    Args:
        fn: (output, Target) -> scalar; zero and still attached to the graph where nothing is supervised.
        weight: factor in the total.
        output: the output (and target) it reads; None means the term's own name in the sum.
    """

    def __init__(self, fn: nn.Module, weight: float = 1.0, output: str | None = None) -> None:
        super().__init__()
        self.fn, self.weight, self.output = fn, weight, output


class Sum(nn.Module):
    """The weighted sum of named terms: ``{"<term>": unweighted scalar, ..., "total": scalar}``."""

    def __init__(self, **terms: Term) -> None:
        super().__init__()
        self.terms: dict[str, Term] = nn.ModuleDict(terms)  # type: ignore[assignment]

    def reads(self) -> dict[str, str]:
        """Term name -> output name."""
        return {name: term.output or name for name, term in self.terms.items()}

    def forward(self, outputs: Outputs, targets: dict[str, Target]) -> dict[str, Tensor]:
        losses = {n: self.terms[n].fn(outputs[o].float(), targets[o]) for n, o in self.reads().items()}
        total = torch.stack([self.terms[n].weight * value for n, value in losses.items()]).sum()
        return losses | {"total": total}


class SeamError(ConfigError):
    """A model, a codec and losses that do not fit together."""


def synthetic_batch(keypoints: int, size: tuple[int, int] = (128, 128)) -> Batch:
    """Two images with two people each (the second image: one), for shape checks; canvas px."""
    height, width = size
    generator = torch.Generator().manual_seed(0)
    low = torch.tensor([[width * 0.1, height * 0.1], [width * 0.5, height * 0.3]])
    boxes = torch.cat([low, low + torch.tensor([width * 0.4, height * 0.6])], 1).expand(2, 2, 4).clone()
    where = torch.rand(2, 2, keypoints, 2, generator=generator)
    points = boxes[:, :, None, :2] + where * (boxes[:, :, None, 2:] - boxes[:, :, None, :2])
    valid = torch.tensor([[True, True], [True, False]])
    visibility = torch.full((2, 2, keypoints), 2) * valid[..., None]
    areas = (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1]) * 0.5
    people = Instances(boxes, points, visibility, areas, valid)
    images = torch.rand(2, 3, height, width, generator=generator)
    ignore = torch.zeros(2, height, width, dtype=torch.bool)
    return Batch(images, people, ignore, torch.eye(3).expand(2, 3, 3).clone(), torch.arange(1, 3))


def check(
    model: nn.Module,
    codec: Codec,
    loss: Sum,
    keypoints: int,
    size: tuple[int, int] = (128, 128),
    known: Callable[[], Mapping[str, nn.Module]] = dict,
) -> None:
    """Passes in silence if model, codec and loss fit together on two synthetic images.

    Args:
        keypoints: K of the skeleton. size: (H, W) of the synthetic canvas.
        known: the losses there are, by name; asked, and tried on the same output, only where a term does not fit.

    Raises:
        SeamError: names the term, what it reads and what there is, and the known losses that would fit.
    """
    parameter = next(model.parameters())
    batch = synthetic_batch(keypoints, size).to(parameter.device)
    was_training = model.training
    model.eval()
    with torch.no_grad():
        outputs = model(batch.images, batch.instances)
        targets = codec.encode(outputs, batch)
        _check_terms(loss, outputs, targets, known)
        people = codec.decode(model(batch.images), (2, *size))
    model.train(was_training)
    _check_people(people, keypoints)


def _check_terms(
    loss: Sum, outputs: Outputs, targets: dict[str, Target], known: Callable[[], Mapping[str, nn.Module]]
) -> None:
    for term, name in loss.reads().items():
        for found, verb in ((outputs, "model emits"), (targets, "codec encodes")):
            if name not in found:
                raise SeamError(f"loss term '{term}' reads output '{name}'; {verb} {sorted(found)}")
        reason = misfit(loss.terms[term].fn, outputs[name], targets[name])
        if reason:
            fitting = [n for n, fn in known().items() if not misfit(fn, outputs[name], targets[name])]
            losses = f"; losses that fit '{name}': {', '.join(sorted(fitting))}" if fitting else ""
            kind = type(loss.terms[term].fn).__name__
            raise SeamError(f"loss term '{term}' ({kind}) cannot learn output '{name}': {reason}{losses}")


def misfit(fn: nn.Module, output: Tensor, target: Target) -> str:
    """Why a loss cannot learn this output from this target, or "".

    A loss may say so itself by a method ``problem(output, target) -> str``. One without must be given an output and a
    target of equal shapes, but for leading stages of the output. Either must answer one finite number.
    """
    own = getattr(fn, "problem", None)
    reason: str = own(output, target) if own is not None else _unlike(output, target)
    if reason:
        return reason
    try:
        value = fn(output.float(), target)
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    if value.ndim or not torch.isfinite(value):
        return f"a loss must be one finite number; found shape {tuple(value.shape)}, {value.flatten()[:1]}"
    return ""


def _unlike(output: Tensor, target: Target) -> str:
    if target.fits(output):
        return ""
    return (
        f"its shape is {tuple(output.shape)}, its target's {tuple(target.value.shape)}; "
        "they must agree but for leading stages of the output"
    )


def _check_people(people: list[Poses], keypoints: int) -> None:
    if len(people) != 2:
        raise SeamError(f"decode must answer one Poses per image; found {len(people)} for 2 images")
    for found in people:
        n = len(found)
        expected = {"keypoints": (n, keypoints, 2), "keypoint_scores": (n, keypoints), "boxes": (n, 4)}
        for field, shape in expected.items():
            if tuple(getattr(found, field).shape) != shape:
                raise SeamError(f"decode: {field} has shape {tuple(getattr(found, field).shape)}, expected {shape}")
