"""RLE against a change of variables done by hand, and what it does where little or nothing is supervised."""

import math

import pytest
import torch
from torch.distributions import MultivariateNormal

from armature.losses.rle import RLE, RealNVP
from armature.skeletons import make
from armature.structures import Target

SKELETON = make("three", ["left_end", "right_end", "middle"])
K = 3


def draw(*shape: int, seed: int = 0, scale: float = 1.0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * scale


def bent(layers: int = 6) -> RealNVP:
    """A flow that is far from the identity."""
    torch.manual_seed(0)
    flow = RealNVP(layers, hidden=8)
    for parameter in flow.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return flow


def to_normal(flow: RealNVP, point: torch.Tensor) -> torch.Tensor:
    """The same map for one point, coordinate by coordinate."""
    z = list(point)
    for i in reversed(range(len(flow.scale))):
        kept = 1 if i % 2 == 0 else 0
        seen = torch.stack([z[0] * (kept == 0), z[1] * (kept == 1)])
        s, t = flow.scale[i](seen)[1 - kept], flow.move[i](seen)[1 - kept]
        z[1 - kept] = (z[1 - kept] - t) * torch.exp(-s)
    return torch.stack(z)


def test_the_flow_is_a_change_of_variables() -> None:
    flow, normal = bent(), MultivariateNormal(torch.zeros(2), torch.eye(2))
    points = draw(5, 2)
    for point, found in zip(points, flow(points), strict=True):
        slope = torch.autograd.functional.jacobian(lambda x: to_normal(flow, x), point)
        expected = normal.log_prob(to_normal(flow, point)) + torch.linalg.det(slope).abs().log()
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_the_flow_is_a_density() -> None:
    axis = torch.linspace(-12, 12, 400)
    with torch.no_grad():
        mass = bent(2)(torch.cartesian_prod(axis, axis)).exp().sum() * (axis[1] - axis[0]) ** 2
    assert float(mass) == pytest.approx(1, abs=0.02)


def test_it_equals_the_formula_number_by_number() -> None:
    loss = RLE(SKELETON, grid=0, unit=2.0)
    loss.flow = bent()
    output, value = draw(4, K, 4), draw(4, K, 2, seed=1)
    weight = (draw(4, K, 1, seed=2) > 0).float().expand(4, K, 2)
    total = 0.0
    for i in range(4):
        for k in range(K):
            sigma = output[i, k, 2:].sigmoid()
            error = (output[i, k, :2] - value[i, k]) / (2.0 * sigma)
            density = loss.flow(error[None])[0]
            for c in range(2):
                each = sigma[c].log() - density + (2 * sigma[c]).log() + error[c].abs()
                total += float((weight[i, k, c] * each).detach())
    found = loss(output, Target(value, weight))
    assert float(found.detach()) == pytest.approx(total / float(weight.sum()), rel=1e-4)


def test_dense_maps_and_lists_are_the_same_numbers() -> None:
    points, value = draw(2, K, 4, 3, 5), draw(2, K, 2, 3, 5, seed=1)
    weight = (draw(2, K, 1, 3, 5, seed=3) > 0).float()
    torch.manual_seed(0)
    dense = RLE(SKELETON, grid=2)
    flat = RLE(SKELETON, grid=0)
    flat.load_state_dict(dense.state_dict())
    rows = [x.permute(0, 3, 4, 1, 2).flatten(0, 2) for x in (points, value, weight)]
    torch.testing.assert_close(dense(points, Target(value, weight)), flat(rows[0], Target(rows[1], rows[2])))


def test_an_output_without_sigma_learns_one_per_keypoint() -> None:
    loss = RLE(SKELETON, grid=0)
    with torch.no_grad():
        loss.sigma[:, 0] = torch.tensor([-1.0, 0.0, 2.0])
    points, target = draw(4, K, 2), Target(draw(4, K, 2, seed=1), torch.ones(4, K, 1))
    told = torch.cat([points, loss.sigma.detach()[None].expand(4, K, 2)], -1)
    torch.testing.assert_close(loss(points, target), loss(told, target))
    loss(points, target).backward()
    assert loss.sigma.grad is not None and (loss.sigma.grad != 0).all()


def test_it_learns_how_large_the_errors_are() -> None:
    """Laplace errors of a known size: the sigma that fits them best is found, and beats the one it started with."""
    loss = RLE(make("one", ["point"]), grid=0)
    noise = torch.distributions.Laplace(0.0, 0.1).sample((300, 1, 2))
    target = Target(noise, torch.ones(300, 1, 1))
    optimizer = torch.optim.Adam([loss.sigma], lr=0.1)
    first = float(loss(torch.zeros(300, 1, 2), target).detach())
    for _ in range(60):
        optimizer.zero_grad()
        last = loss(torch.zeros(300, 1, 2), target)
        last.backward()
        optimizer.step()
    assert float(last.detach()) < first - 1 and 0.03 < float(loss.sigma.detach().sigmoid()) < 0.3


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_gradients_are_finite_also_for_sure_mistakes_and_beside_the_impossible(kind: torch.dtype) -> None:
    output = draw(1, K, 4).to(kind)
    output[0, 0] = torch.tensor([9.0, -9.0, -60.0, 60.0])
    output.requires_grad_()
    value = torch.zeros(1, K, 2)
    value[0, 2] = torch.tensor([torch.nan, torch.inf])
    loss = RLE(SKELETON, grid=0)
    found = loss(output, Target(value, torch.tensor([1.0, 1.0, 0.0]).view(1, K, 1)))
    found.backward()
    assert torch.isfinite(found) and output.grad is not None and output.grad.isfinite().all()
    assert not output.grad[0, 2].any() and all(p.grad.isfinite().all() for p in loss.flow.parameters())


@pytest.mark.parametrize("shape", [(0, K, 4), (2, K, 4)])
def test_nobody_or_all_masked_is_zero_and_attached_to_output_and_flow(shape: tuple[int, ...]) -> None:
    output, value = torch.ones(shape, requires_grad=True), torch.zeros(*shape[:-1], 2)
    loss = RLE(SKELETON, grid=0)
    found = loss(output, Target(value, torch.zeros_like(value)))
    found.backward()
    assert float(found.detach()) == 0 and output.grad is not None and not output.grad.any()
    assert all(p.grad is not None and not p.grad.any() for p in loss.flow.parameters())


def test_stages_are_averaged_and_other_outputs_are_refused() -> None:
    loss = RLE(SKELETON, grid=0)
    output, target = draw(2, 5, K, 4), Target(draw(5, K, 2, seed=1), torch.ones(5, K, 1))
    torch.testing.assert_close(loss(output, target), (loss(output[0], target) + loss(output[1], target)) / 2)
    assert loss.problem(output, target) == "" and loss.problem(output[..., :2], target) == ""
    assert "reads points" in loss.problem(output[..., :3], target)
    assert "reads points" in RLE(SKELETON, grid=2).problem(output, target)
    assert "targets" in loss.problem(output, target._replace(value=target.value[:3]))
    assert math.isfinite(float(loss(output, target).detach()))
