"""Which query speaks for which keypoint, where queries are not bound to keypoints (Li et al. 2021, section 3.3)."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from armature.errors import ConfigError


def cheapest(cost: Float[Tensor, "*n Q K"]) -> Int[Tensor, "*n K"]:
    """For each keypoint the query that takes it, no query two, at the lowest total cost (Hungarian matching).

    Raises:
        ConfigError: fewer queries than keypoints.
    """
    queries, keypoints = cost.shape[-2:]
    if queries < keypoints:
        raise ConfigError(
            f"{queries} queries cannot speak for {keypoints} keypoints; model.pose.queries must be at least that"
        )
    tables = cost.detach().float().cpu().nan_to_num(posinf=1e6, neginf=-1e6).flatten(0, -3).mT.numpy()
    found = (
        np.stack([linear_sum_assignment(table)[1] for table in tables])
        if len(tables)
        else np.zeros((0, keypoints), np.int64)
    )
    return torch.from_numpy(found).to(cost.device).view(*cost.shape[:-2], keypoints)


def match(
    types: Float[Tensor, "*n Q C"],
    points: Float[Tensor, "*n Q 2"],
    truth: Float[Tensor, "R K 2"],
    labelled: Bool[Tensor, "R K"],
    distance: float = 5.0,
) -> Int[Tensor, "*n K"]:
    """The query for each labelled keypoint at the lowest sum of -p(type) + ``distance`` times L1 (in crop units).

    Unlabelled keypoints cost the same everywhere; their answers mean nothing.
    """
    likely = types.softmax(-1)[..., :-1]
    away = (points[..., :, None, :] - truth[:, None]).abs().sum(-1)
    return cheapest((distance * away - likely).where(labelled[:, None], 0.0))


def resolve(
    types: Float[Tensor, "R Q C"], points: Float[Tensor, "R Q 2"]
) -> tuple[Float[Tensor, "R K 2"], Float[Tensor, "R K"]]:
    """Each keypoint's place and probability: the most likely way to give each a query of its own.

    As released: probabilities among the keypoints, without "none" (of a lone keypoint among that and "none").
    """
    likely = types.softmax(-1)[..., :-1] if types.shape[-1] == 2 else types[..., :-1].softmax(-1)
    query = cheapest(-likely)
    places = points.gather(1, query[..., None].expand(-1, -1, 2))
    return places, likely.gather(1, query[:, None])[:, 0]
