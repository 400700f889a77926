"""A network that starts from another run's weights."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from armature import restoring, run_folder
from armature.errors import ConfigError
from armature.module import PoseModule
from armature.weights import tensors

#: Beginnings of names in a run's checkpoint: the averaged weights, which are those that were judged, before the others.
_OWNERS = ("average.module.", "model.")


class Taken(NamedTuple):
    """Names of tensors that were taken, and of those that stayed fresh: of another shape there, or not there at all."""

    taken: list[str]
    fresh: list[str]

    def __str__(self) -> str:
        left = f"; fresh: {', '.join(self.fresh[:4])}{' ...' if len(self.fresh) > 4 else ''}" if self.fresh else ""
        return f"{len(self.taken)} of {len(self.taken) + len(self.fresh)} tensors{left}"


def start_from(module: PoseModule, where: str | Path) -> Taken:
    """Puts the weights of a run (its best checkpoint) or of a checkpoint into the network, wherever they fit.

    Another number of keypoints or another head is what this is for: what does not fit stays fresh, and is told.

    Raises:
        ConfigError: no such run; or nothing fits, so that it would be another network's.
        DataError: a file that holds more than tensors.
    """
    path = Path(where).expanduser()
    file = path if path.is_file() else restoring.checkpoint_file(run_folder.open(path))
    found = weights(tensors.read(file).tensors)
    own = module.model.state_dict()
    taken = [name for name, value in own.items() if name in found and found[name].shape == value.shape]
    if not taken:
        raise ConfigError(f"init={where}: none of its {len(found)} tensors fits this network: another architecture")
    fitting = {name: found[name] for name in taken}
    for network in (module.model, *([module.average.module] if module.average is not None else [])):
        network.load_state_dict(own | fitting, strict=True)
    return Taken(taken, [name for name in own if name not in fitting])


def weights(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The network's own tensors of a run's checkpoint."""
    for owner in _OWNERS:
        found = {n.removeprefix(owner): v for n, v in state.items() if n.startswith(owner)}
        if found:
            return found
    return state
