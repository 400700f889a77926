"""The loader's bench measures what it says: our ways run, agree in what they load, and are normalised."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from armature.bench import loading
from armature.data.dataset import KeypointDataset


def test_normalising_rows_is_normalising_pixels() -> None:
    images = torch.randint(0, 256, (2, 5, 7, 3), dtype=torch.uint8).permute(0, 3, 1, 2)
    mean, deviation = (torch.tensor(v).view(1, 3, 1, 1) for v in ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)))
    torch.testing.assert_close(loading._normalise(images), (images.float() - mean) / deviation, atol=1e-5, rtol=1e-5)


@pytest.mark.slow
def test_every_way_of_ours_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert loading.main(["--images", "3", "--rounds", "1"]) == 0
    shown = capsys.readouterr().out
    assert "3 JPEGs of 640 x 480" in shown and shown.count("decoded before") == 2
    (tmp_path / "pictures").mkdir()
    source = loading.make_source(tmp_path / "pictures", 2)
    sample = KeypointDataset(source, (192, 256))[0]
    assert sample.image.shape == (192, 256, 3) and np.all(sample.people.visibility.sum(1) > 20)
