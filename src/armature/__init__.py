"""armature: a configuration-driven research framework for keypoint detection."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from armature.predicting.predictor import Predictor

__all__ = ["load"]


def load(
    run: str | Path, checkpoint: str = "best", overrides: Mapping[str, object] | None = None, **options: Any
) -> Predictor:
    """A trained run as an object that finds people on pictures: ``armature.load("runs/...").predict("photo.jpg")``.

    Args:
        run: the folder that training has left. checkpoint: ``best``, ``last``, or a file.
        overrides: dotted key -> value of the run's own config, e.g. ``{"flip_test": True}``.
        options: of ``armature.predicting.predictor.Predictor``: ``min_score=0.3``, ``batch_size``, ``device="auto"``,
            ``precision``, ``views``.

    Raises:
        ConfigError: no such run or checkpoint, or one that does not fit the other.
    """
    # Torch and Lightning take seconds to import, and the command line's help needs neither.
    from armature.predicting.predictor import Predictor
    from armature.restoring import restore

    return Predictor.of_run(restore(run, checkpoint, overrides), **options)
