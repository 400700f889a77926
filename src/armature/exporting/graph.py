"""A network, and its decoding where possible, as one module whose shapes do not depend on what is found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from armature.errors import ConfigError
from armature.ops.fixed_people import FixedPeople
from armature.structures import Outputs, Poses

#: What a graph that decodes answers, in this order.
PEOPLE = FixedPeople._fields


class Graph(nn.Module):
    """Images to the tensors of ``names``, in this order.

    A model's method ``fixed(images)`` stands in for its ``forward`` where shapes of that depend on what is found; a
    codec's ``fixed(outputs, (H, W)) -> FixedPeople`` is its ``decode`` in such shapes.

    Args:
        network: images -> named tensors. codec: decodes them; None leaves that to whoever reads the named tensors.
        names: of the tensors. decoder: who reads them.
    """

    def __init__(self, network: nn.Module, codec: Any | None, names: tuple[str, ...], decoder: Any = None) -> None:
        super().__init__()
        self.network, self.codec, self.names = network, codec, names
        #: Of the named tensors, where the graph does not decode.
        self.decoder = decoder

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> tuple[Tensor, ...]:
        outputs = said(self.network, images)
        if self.codec is None:
            return tuple(outputs[name] for name in self.names)
        return tuple(self.codec.fixed(outputs, (images.shape[2], images.shape[3])))


@dataclass(frozen=True)
class Plan:
    """What can be exported: the graph, and why it does not decode ("" where it does)."""

    graph: Graph
    why_network_only: str


def plan(network: nn.Module, codec: Any, images: Float[Tensor, "B 3 H W"], decode: bool | None = None) -> Plan:
    """The graph of a network, tried on images.

    Args:
        decode: True insists on people, False leaves them to the reader, None takes what is possible.

    Raises:
        ConfigError: the network cannot be a graph, or its decoding, which was insisted on; says why.
    """
    with torch.inference_mode():
        try:
            outputs = said(network, images)
        except ConfigError as error:
            raise ConfigError(f"{type(network).__name__} cannot be exported: {error}") from error
        why = "" if decode is False else _hindrance(codec, outputs, (images.shape[2], images.shape[3]))
    if why and decode:
        raise ConfigError(f"decode=true: {type(codec).__name__} cannot be exported: {why}; decode=false exports maps")
    if why or decode is False:
        return Plan(Graph(network, None, tuple(outputs), codec).eval(), why or "decode=false")
    return Plan(Graph(network, codec, PEOPLE).eval(), "")


def said(network: nn.Module, images: Float[Tensor, "B 3 H W"]) -> Outputs:
    """The network's outputs in shapes that do not depend on what is found."""
    return getattr(network, "fixed", network)(images)  # type: ignore[no-any-return]


def poses(values: list[Tensor]) -> list[Poses]:
    """People of each image from a graph's tensors, empty slots left out."""
    found = FixedPeople(*values)
    keep = found.scores >= 0
    return [Poses(*(field[b][keep[b]] for field in found)) for b in range(found.scores.shape[0])]


def _hindrance(codec: Any, outputs: Outputs, size: tuple[int, int]) -> str:
    if not hasattr(codec, "fixed"):
        return "it has no method fixed(outputs, size)"
    try:
        codec.fixed(outputs, size)
    except ConfigError as error:
        return str(error)
    return ""
