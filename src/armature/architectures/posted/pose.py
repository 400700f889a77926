"""From crops to keypoints: a convolutional network, sine positions, a transformer, a feed-forward network."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from armature.layers.positions import sine_positions
from armature.layers.transformer import Transformer, perceptron
from armature.structures import Outputs, Skeleton


class PoseTransformer(nn.Module):
    """What each query says of each crop, after every decoder layer (Li et al. 2021, "PRTR", section 3.2).

    Args:
        skeleton: gives K.
        backbone: pictures -> levels, of which the last one is read; has ``channels``.
        transformer: tokens, positions, queries -> (L R Q d); has ``width``.
        queries: None: one query for each keypoint. A number: so many queries, each saying what it found, but at least
            one for each keypoint.
        temperature: of the sine positions.
        placed: positions are part of the tokens from the start (Vaswani et al. 2017, section 3.5), so that what is read
            off a token tells where it is; False: they only steer attention, in every layer (Carion et al. 2020).

    Returns:
        keypoints (L R Q 2) xy in units of the crop, 0 to 1, and either
        presence (L R K) logits, for one query per keypoint (Q = K), or
        types (L R Q K+1) logits, the last one "none".
    """

    def __init__(
        self,
        skeleton: Skeleton,
        backbone: nn.Module,
        transformer: Transformer,
        queries: int | None = None,
        temperature: float = 10000.0,
        placed: bool = False,
    ) -> None:
        super().__init__()
        self.backbone, self.transformer, self.temperature, self.placed = backbone, transformer, temperature, placed
        width = transformer.width
        self.project = nn.Conv2d(backbone.channels[-1], width, 1)  # type: ignore[index, arg-type]
        self.queries = nn.Parameter(torch.randn(max(queries or 0, skeleton.count), width))
        self.typed = queries is not None
        self.classify = nn.Linear(width, skeleton.count + 1 if self.typed else 1)
        self.locate = perceptron(width, 2)

    def forward(self, pictures: Float[Tensor, "R 3 h w"]) -> Outputs:
        maps = self.project(self.backbone(pictures)[-1])
        height, width = maps.shape[-2:]
        positions = sine_positions((height, width), maps.shape[1], self.temperature, like=maps).flatten(0, 1)
        tokens = maps.flatten(2).mT + positions if self.placed else maps.flatten(2).mT
        said = self.transformer(tokens, positions, self.queries.to(maps.dtype))
        logits = self.classify(said)
        points = {"keypoints": self._located(said)}
        return points | ({"types": logits} if self.typed else {"presence": logits[..., 0]})

    def _located(self, said: Tensor) -> Tensor:
        """In float32: bfloat16 places a keypoint to one part in 256 of the crop."""
        with torch.autocast(said.device.type, enabled=False):
            return self.locate(said.float()).sigmoid()


def shrunk(pictures: Float[Tensor, "R c h w"], size: tuple[int, int]) -> Float[Tensor, "R c h2 w2"]:
    """Pictures at another size, averaged where it is smaller."""
    return F.interpolate(pictures, size=size, mode="bilinear", antialias=True, align_corners=False)
