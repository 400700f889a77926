"""A transformer encoder-decoder whose positions are added to queries and keys of every layer (Carion et al. 2020)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from armature.errors import ConfigError


class Transformer(nn.Module):
    """Answers of learned queries to a memory of tokens, after every decoder layer.

    DETR's: post-norm, ReLU, positions added to queries and keys (never to values) in every layer, queries that start at
    zero, and one norm on what each decoder layer says. With the defaults 17,363,456 parameters.

    Args:
        width: d, channels of tokens and queries. heads, hidden: of attention and of the feed-forward networks.
        encoder, decoder: number of layers. dropout: share dropped (0.1 in DETR, 0 in PRTR).

    Raises:
        ConfigError: a width that the heads do not divide, or no decoder layer.
    """

    def __init__(
        self,
        width: int = 256,
        heads: int = 8,
        hidden: int = 2048,
        encoder: int = 6,
        decoder: int = 6,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if width % heads:
            raise ConfigError(f"transformer width {width} is not divided by its {heads} heads")
        if decoder < 1:
            raise ConfigError(f"a transformer needs at least one decoder layer; found {decoder}")
        self.width = width
        self.encoder = nn.ModuleList(EncoderLayer(width, heads, hidden, dropout) for _ in range(encoder))
        self.decoder = nn.ModuleList(DecoderLayer(width, heads, hidden, dropout) for _ in range(decoder))
        self.norm = nn.LayerNorm(width)
        for parameter in self.parameters():
            if parameter.ndim > 1:
                nn.init.xavier_uniform_(parameter)

    def forward(
        self, tokens: Float[Tensor, "R T d"], positions: Float[Tensor, "T d"], queries: Float[Tensor, "Q d"]
    ) -> Float[Tensor, "L R Q d"]:
        for layer in self.encoder:
            tokens = layer(tokens, positions)
        keys = tokens + positions
        answer = queries.new_zeros(1).expand(tokens.shape[0], *queries.shape)
        said = []
        for layer in self.decoder:
            answer = layer(answer, queries, tokens, keys)
            said.append(self.norm(answer))
        return torch.stack(said)


class EncoderLayer(nn.Module):
    """Tokens that looked at each other."""

    def __init__(self, width: int, heads: int, hidden: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.attend = Attention(width, heads, dropout)
        self.feed = FeedForward(width, hidden, dropout)
        self.norm_attend, self.norm_feed = nn.LayerNorm(width), nn.LayerNorm(width)
        self.drop = nn.Dropout(dropout)

    def forward(self, tokens: Tensor, positions: Tensor) -> Tensor:
        placed = tokens + positions
        tokens = self.norm_attend(tokens + self.drop(self.attend(placed, placed, tokens)))
        return self.norm_feed(tokens + self.drop(self.feed(tokens)))


class DecoderLayer(nn.Module):
    """Queries that looked at each other and then at the memory."""

    def __init__(self, width: int, heads: int, hidden: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.confer, self.attend = Attention(width, heads, dropout), Attention(width, heads, dropout)
        self.feed = FeedForward(width, hidden, dropout)
        self.norm_confer, self.norm_attend = nn.LayerNorm(width), nn.LayerNorm(width)
        self.norm_feed = nn.LayerNorm(width)
        self.drop = nn.Dropout(dropout)

    def forward(self, answer: Tensor, queries: Tensor, memory: Tensor, keys: Tensor) -> Tensor:
        placed = answer + queries
        answer = self.norm_confer(answer + self.drop(self.confer(placed, placed, answer)))
        answer = self.norm_attend(answer + self.drop(self.attend(answer + queries, keys, memory)))
        return self.norm_feed(answer + self.drop(self.feed(answer)))


class Attention(nn.Module):
    """Scaled dot-product attention with several heads (Vaswani et al. 2017, section 3.2)."""

    def __init__(self, width: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.query, self.key, self.value, self.merge = (nn.Linear(width, width) for _ in range(4))
        for layer in (self.query, self.key, self.value, self.merge):
            nn.init.zeros_(layer.bias)

    def forward(
        self, query: Float[Tensor, "R Q d"], key: Float[Tensor, "R T d"], value: Float[Tensor, "R T d"]
    ) -> Float[Tensor, "R Q d"]:
        q, k, v = (
            layer(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for layer, x in ((self.query, query), (self.key, key), (self.value, value))
        )
        dropout = self.dropout if self.training else 0.0
        seen = _attended(q, k, v, dropout)
        return self.merge(seen.transpose(1, 2).flatten(2))


def _attended(query: Tensor, key: Tensor, value: Tensor, dropout: float) -> Tensor:
    """Values (R h T d) weighted by how well their keys fit the queries (R h Q d).

    On a CPU that learns, step by step: the backward pass of torch's fused one takes five to ten times as long in
    bfloat16 for tokens as few as a crop's (experiments/LOG.md).
    """
    if query.device.type != "cpu" or not torch.is_grad_enabled():
        return F.scaled_dot_product_attention(query, key, value, dropout_p=dropout)
    fit = (query * query.shape[-1] ** -0.5) @ key.mT
    weight = fit.float().softmax(-1).to(value.dtype)
    return (F.dropout(weight, dropout) if dropout else weight) @ value


class FeedForward(nn.Sequential):
    """Two layers with a ReLU between them, token by token."""

    def __init__(self, width: int, hidden: int, dropout: float = 0.0) -> None:
        super().__init__(nn.Linear(width, hidden), nn.ReLU(inplace=True), nn.Dropout(dropout), nn.Linear(hidden, width))


def perceptron(width: int, out: int, layers: int = 3) -> nn.Sequential:
    """Linear layers of one width with ReLUs between them, the last one to ``out`` numbers."""
    blocks: list[nn.Module] = []
    for _ in range(layers - 1):
        blocks += [nn.Linear(width, width), nn.ReLU(inplace=True)]
    return nn.Sequential(*blocks, nn.Linear(width, out))
