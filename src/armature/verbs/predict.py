"""``armature predict``: people on pictures, drawn and as COCO results."""

from __future__ import annotations

from omegaconf import DictConfig

from armature import memory

SUMMARY = "find people on pictures with a trained run; draws them and writes COCO results"
EXAMPLES = """
armature predict run=runs/default/RUN source=photos
armature predict run=runs/default/RUN source=photo.jpg output=answers min_score=0.5
"""


def run(config: DictConfig, overrides: list[str], command: list[str]) -> int:
    """Writes one drawn picture per input and predictions.json; 0 when all pictures could be read, 1 otherwise.

    Raises:
        UserError: no such run, no picture in the source, or nothing can be written.
    """
    memory.keep_freed()
    from armature import predicting, restoring

    pictures = predicting.pictures(config.source)
    restored = restoring.restore(config.run, config.checkpoint, config.overrides)
    done = predicting.predict(restored, pictures, config.output, config.batch_size, config.min_score)
    pace = done.seconds / max(1, done.read)
    print(f"{done.people} people on {done.read} pictures, {pace:.2f} s a picture: {config.output}")
    for file, reason in done.unread:
        print(f"left out: {file}: {reason}")
    return 1 if done.unread else 0
