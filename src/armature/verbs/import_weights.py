"""``armature import-weights``: released weights as a run folder, for evaluation, prediction and training."""

from __future__ import annotations

from omegaconf import DictConfig

from armature import memory

SUMMARY = "make a run folder of weights that were released elsewhere"
EXAMPLES = """
armature import-weights format=torchvision file=keypointrcnn_resnet50_fpn_coco-fc266e95.pth
armature import-weights format=centernet file=multi_pose_dla_3x.pth name=centernet_released
armature import-weights format=yolov8 file=yolov8n-pose-tensors.pt 'overrides={data.root:/path/to/coco}'
"""


def run(config: DictConfig, overrides: list[str], command: list[str]) -> int:
    """Writes a run folder and says where; 0 when it is there.

    Raises:
        UserError: no such format or file, or weights that do not fit; nothing but tensors was opened.
    """
    memory.keep_freed()
    from armature import restoring
    from armature.weights import importing

    more = [f"{key}={value}" for key, value in restoring.dotted(config.overrides or {}).items()]
    folder = importing.import_weights(config.format, config.file, more, command, config.runs, config.name)
    print(f"{folder.path}: a run with these weights")
    print(f"armature predict run={folder.path} source=PICTURES")
    print(f"armature evaluate run={folder.path}")
    print(f"armature train init={folder.path} ...")
    return 0
