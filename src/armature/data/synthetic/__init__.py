"""Generated pictures of jointed figures with exact truth: the data set that is always there."""

from armature.data.synthetic.source import Synthetic

__all__ = ["Synthetic"]
