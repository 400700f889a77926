"""``armature demo``: a local page where one drops a picture or uses the camera and sees who is found."""

from __future__ import annotations

from omegaconf import DictConfig

from armature import memory

SUMMARY = "open a local page: drop a picture or use the camera, and see the people a run finds"
EXAMPLES = """
armature demo run=runs/default/RUN
armature demo run=runs/default/RUN port=8080 min_score=0.1 'overrides={flip_test:false}'
"""


def run(config: DictConfig, overrides: list[str], command: list[str]) -> int:
    """Serves the page until Ctrl-C; then 0.

    Raises:
        UserError: no such run, or an address that cannot be taken.
    """
    memory.keep_freed()
    import numpy as np

    import armature
    from armature.demo.server import LOOPBACK, Limits, Server

    predictor = armature.load(
        config.run, config.checkpoint, config.overrides, min_score=config.min_score, device=config.device, batch_size=1
    )
    predictor.find([np.zeros((64, 64, 3), np.uint8)])  # the first answer takes longer than all others
    limits = Limits(float(config.megabytes), float(config.megapixels))
    with Server(predictor, config.host, int(config.port), str(config.run), limits) as server:
        if config.host not in LOOPBACK:
            print(f"warning: host={config.host}: everybody who reaches this machine can use the page", flush=True)
        print(f"{server.address}   (Ctrl-C ends it)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()
    return 0
