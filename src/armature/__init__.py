"""armature: a configuration-driven research framework for keypoint detection."""
