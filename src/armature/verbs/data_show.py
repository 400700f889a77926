"""``armature data show``: what the network really sees of a data set, as pictures or as a page to leaf through."""

from __future__ import annotations

from omegaconf import DictConfig

from armature import memory

SUMMARY = "draw what the network really sees: stages, flipped twins and targets of pictures; or a page of all of them"
EXAMPLES = """
armature data show data=folder data.path=my_mice output=shown
armature data show data=coco_mini architecture=openpose_tiny count=4 augment=photometric
armature data show data=coco_mini images=[139,000000000785.jpg] part=val output=shown
armature data show data=folder data.path=my_mice page=true problems=checked/problems.csv output=page
"""


def run(config: DictConfig, overrides: list[str], command: list[str]) -> int:
    """Writes sheets, or with ``page=true`` a page, into the output folder, and says where they are; 0 when written.

    Raises:
        UserError: the data cannot be read, no such picture, or the output is there and is not ours.
    """
    memory.keep_freed()
    from armature.showing import page_command, sheet_command

    return page_command.run(config) if config.page else sheet_command.run(config)
