"""The transformer against torch's own layers, the published number of parameters and DETR's formula of positions."""

import math

import pytest
import torch
from torch import nn

from armature.errors import ConfigError
from armature.layers.positions import sine_positions
from armature.layers.transformer import Attention, DecoderLayer, EncoderLayer, Transformer


def copy_attention(ours: Attention, theirs: nn.MultiheadAttention) -> None:
    parts = (ours.query, ours.key, ours.value)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([p.weight for p in parts]))
        theirs.in_proj_bias.copy_(torch.cat([p.bias for p in parts]))
        theirs.out_proj.load_state_dict(ours.merge.state_dict())


def copy_rest(ours: nn.Module, theirs: nn.Module, norms: list[str]) -> None:
    theirs.linear1.load_state_dict(ours.feed[0].state_dict())
    theirs.linear2.load_state_dict(ours.feed[3].state_dict())
    for i, name in enumerate(norms, 1):
        getattr(theirs, f"norm{i}").load_state_dict(getattr(ours, name).state_dict())


def stirred(module: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    for p in module.parameters():
        nn.init.normal_(p, std=0.3)
    return module.eval()


def test_it_has_as_many_parameters_as_detr() -> None:
    assert sum(p.numel() for p in Transformer().parameters()) == 17_363_456


def test_without_positions_an_encoder_layer_is_torchs() -> None:
    ours = stirred(EncoderLayer(16, 4, 32))
    theirs = nn.TransformerEncoderLayer(16, 4, 32, 0.0, batch_first=True).eval()
    copy_attention(ours.attend, theirs.self_attn)
    copy_rest(ours, theirs, ["norm_attend", "norm_feed"])
    tokens = torch.randn(3, 7, 16)
    torch.testing.assert_close(ours(tokens, torch.zeros(7, 16)), theirs(tokens), atol=1e-5, rtol=1e-4)


def test_without_positions_a_decoder_layer_is_torchs() -> None:
    ours = stirred(DecoderLayer(16, 4, 32))
    theirs = nn.TransformerDecoderLayer(16, 4, 32, 0.0, batch_first=True).eval()
    copy_attention(ours.confer, theirs.self_attn)
    copy_attention(ours.attend, theirs.multihead_attn)
    copy_rest(ours, theirs, ["norm_confer", "norm_attend", "norm_feed"])
    answer, memory = torch.randn(3, 5, 16), torch.randn(3, 7, 16)
    expected = theirs(answer, memory)
    torch.testing.assert_close(ours(answer, torch.zeros(5, 16), memory, memory), expected, atol=1e-5, rtol=1e-4)


def test_positions_reach_queries_and_keys_but_not_values() -> None:
    layer = stirred(EncoderLayer(16, 4, 32))
    tokens, positions = torch.randn(2, 7, 16), torch.randn(7, 16)
    reference = layer.norm_attend(tokens + layer.attend(tokens + positions, tokens + positions, tokens))
    torch.testing.assert_close(layer(tokens, positions), layer.norm_feed(reference + layer.feed(reference)))
    alike = tokens[:, :1].expand(-1, 7, -1)  # tokens that are all the same stay so, wherever they are
    torch.testing.assert_close(layer(alike, positions), layer(alike, torch.zeros_like(positions)))


def test_every_decoder_layer_answers() -> None:
    net = stirred(Transformer(16, 4, 32, 1, 3))
    said = net(torch.randn(2, 7, 16), torch.randn(7, 16), torch.randn(5, 16))
    assert said.shape == (3, 2, 5, 16)
    assert not torch.allclose(said[0], said[2])


def test_positions_are_detrs_at_the_cells_centres() -> None:
    height, width, d = 3, 5, 16
    found = sine_positions((height, width), d)
    for row in range(height):
        for column in range(width):
            expected = []
            for place, count in ((row, height), (column, width)):
                for i in range(d // 2):
                    angle = (place + 0.5) / count * 2 * math.pi / 10000 ** (2 * (i // 2) / (d // 2))
                    expected.append(math.cos(angle) if i % 2 else math.sin(angle))
            torch.testing.assert_close(found[row, column], torch.tensor(expected), atol=1e-5, rtol=1e-5)


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match="multiple of 4"):
        sine_positions((2, 2), 6)
    with pytest.raises(ConfigError, match="heads"):
        Transformer(10, 4)
    with pytest.raises(ConfigError, match="decoder layer"):
        Transformer(decoder=0)


def test_attention_is_the_same_while_it_learns() -> None:
    """Step by step with gradients on a CPU, fused without; dropout aside."""
    attend = stirred(Attention(16, 4, 0.5))
    query, key = torch.randn(3, 5, 16), torch.randn(3, 9, 16)
    with torch.no_grad():
        fused = attend(query, key, key)
    torch.testing.assert_close(attend(query, key, key), fused)
    attend.train()
    assert not torch.equal(attend(query, key, key), attend(query, key, key)), "dropout is drawn anew"
