"""Random numbers are those of the place in the run."""

import random
import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))

from tiny_run import fit, fresh


def draws(tmp_path, name, epochs, resume=False, drawn=None):
    """What each step draws from every generator, by (epoch, batch), with the seed of the loader's processes."""
    drawn = {} if drawn is None else drawn
    module = fresh()

    def draw(module, batch_idx):
        loader = module.trainer.train_dataloader.generator.initial_seed()
        values = (torch.rand(1).item(), float(np.random.rand()), random.random(), loader)
        drawn[module.current_epoch, batch_idx] = values

    module.on_batch = draw
    fit(tmp_path / name, module, epochs, resume)
    return drawn


def test_the_same_place_draws_the_same(tmp_path):
    whole = draws(tmp_path, "whole", 3)
    parts = draws(tmp_path, "parts", 3, True, draws(tmp_path, "parts", 1))
    assert whole == parts and len(whole) == 18


def test_different_places_draw_differently(tmp_path):
    drawn = draws(tmp_path, "run", 2)
    for kind in range(3):
        assert len({values[kind] for values in drawn.values()}) == 12
    assert len({values[3] for values in drawn.values()}) == 2, "one seed an epoch for the loader's processes"
