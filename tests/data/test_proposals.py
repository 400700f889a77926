"""Boxes of a COCO results file land on the canvas where the picture's geometry puts them."""

import json
from pathlib import Path

import pytest
import torch

from armature.architectures.protocol import synthetic_batch
from armature.data.proposals import Proposals
from armature.errors import DataError


def entry(image: int, box: list[float], score: float, kind: int = 1) -> dict[str, object]:
    return {"image_id": image, "category_id": kind, "bbox": box, "score": score}


def test_boxes_are_mapped_sorted_and_padded(tmp_path: Path) -> None:
    file = tmp_path / "boxes.json"
    rows = [
        entry(2, [10, 20, 30, 40], 0.4),
        entry(2, [0, 0, 8, 8], 0.9),
        entry(2, [0, 0, 8, 8], 0.9, 3),
        entry(7, [1, 1, 1, 1], 1),
    ]
    file.write_text(json.dumps(rows))
    batch = synthetic_batch(3)  # image ids 1 and 2
    batch.to_source = torch.tensor([[2.0, 0, 5], [0, 2, -4], [0, 0, 1]]).expand(2, 3, 3)
    given = Proposals(file)(batch)
    assert given.valid.tolist() == [[False, False], [True, True]]
    torch.testing.assert_close(given.scores[1], torch.tensor([0.9, 0.4]))  # type: ignore[attr-defined]
    expected = torch.tensor([[-2.5, 2, 1.5, 6], [2.5, 12, 17.5, 32]])
    torch.testing.assert_close(given.boxes[1], expected)
    assert given.keypoints.shape == (2, 2, 3, 2)


@pytest.mark.parametrize(
    "text", ["{}", "[{}]", "nonsense", '[{"image_id": 1, "category_id": 1, "bbox": [1, 2], "score": 1}]']
)
def test_a_file_of_something_else_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "boxes.json").write_text(text)
    with pytest.raises(DataError, match=r"boxes\.json"):
        Proposals(tmp_path / "boxes.json")
