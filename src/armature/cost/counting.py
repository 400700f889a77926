"""Parameters, and multiplications with additions (MACs), counted while a network answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torchvision  # registers its operators, one of which has a formula below
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, flop_registry

#: What the count means, for whoever reads the number.
CONVENTION = (
    "multiply-accumulates of convolutions, products of matrices and attention (half of what torch's FlopCounterMode "
    "calls FLOPs); element by element operations are left out, as usual; not_counted names every other operator that "
    "computes, with its calls"
)
assert torchvision


@dataclass(frozen=True)
class Counted:
    """What one call of a network took.

    Attributes:
        macs: multiply-accumulates, see ``CONVENTION``.
        not_counted: operator -> calls, of those that compute and have no formula.
        elsewhere: parameters that were used and are not the network's own (a detector that it asks).
    """

    macs: int
    not_counted: dict[str, int]
    elsewhere: int


def parameters(network: nn.Module) -> dict[str, int]:
    """Numbers that the network has learned: ``total``, and those still ``trainable``; shared ones count once."""
    every = list(network.parameters())
    return {"total": sum(p.numel() for p in every), "trainable": sum(p.numel() for p in every if p.requires_grad)}


def stored_bytes(network: nn.Module) -> int:
    """Bytes of parameters and buffers."""
    return sum(t.numel() * t.element_size() for t in (*network.parameters(), *network.buffers()))


def count(owner: nn.Module, call: Callable[[], Any]) -> Counted:
    """What ``call`` takes, without gradients.

    Args:
        owner: holds the network that is called; parameters that are not in it are ``elsewhere``.
    """
    # Transformers' fused fast path computes the same by one operator, which has no formula.
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    flops = FlopCounterMode(display=False, custom_mapping=_FORMULAS)
    try:
        # The counter is innermost: it takes composite operators apart, and only their parts are noted.
        with torch.inference_mode(), _Noted() as noted, flops:
            call()
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
    own = {id(p) for p in owner.parameters()}
    elsewhere = sum(p.numel() for key, p in noted.parameters.items() if key not in own)
    names = {str(op): calls for op, calls in noted.calls.items() if op not in flop_registry and op not in _FORMULAS}
    return Counted(flops.get_total_flops() // 2, dict(sorted(names.items())), elsewhere)


class _Noted(TorchDispatchMode):
    """Notes which operators compute, how often, and with which parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[Any] = Counter()
        self.parameters: dict[int, Tensor] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if _computes(func):
            self.calls[func._overloadpacket] += 1
        self.parameters |= {id(a): a for a in args if isinstance(a, nn.Parameter)}
        return func(*args, **(kwargs or {}))


def _computes(func: Any) -> bool:
    """Whether an operator does more than to look at, make or move numbers, or to treat each by itself."""
    if torch.Tag.pointwise in func.tags or func.is_view:
        return False
    return func._overloadpacket.__name__.strip("_").removesuffix("_") not in _MOVES


#: Operators that make, copy, pick or put numbers and do no arithmetic with them.
_MOVERS = (
    "alias arange cat clone constant_pad_nd copy detach diag_embed empty empty_like empty_strided eye fill flip full "
    "full_like gather index index_copy index_put index_select lift_fresh lift_fresh_copy local_scalar_dense "
    "masked_scatter new_empty new_full new_ones new_zeros nonzero ones ones_like pixel_shuffle pixel_unshuffle "
    "reflection_pad2d repeat repeat_interleave replication_pad2d roll scalar_tensor scatter slice_scatter stack "
    "to_copy tril triu unsafe_index unsafe_view zero zeros zeros_like"
)
_MOVES = frozenset(_MOVERS.split())


def _deformable(
    x: Any, weight: Any, offset: Any, mask: Any, bias: Any, *args: Any, out_shape: Any = None, **kwargs: Any
) -> int:
    """FLOPs of a deformable convolution, as of a plain one; sampling its places is not counted."""
    _, channels, kernel_height, kernel_width = weight
    batch, out, height, width = out_shape
    return 2 * batch * out * height * width * channels * kernel_height * kernel_width


_FORMULAS = {torch.ops.torchvision.deform_conv2d: _deformable}
