"""A page on this machine that shows what a run finds on pictures and in front of the camera."""
