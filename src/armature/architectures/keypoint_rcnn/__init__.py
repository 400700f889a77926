"""Keypoint R-CNN (He et al. 2017): regions that a network proposes, a box for each, a heatmap for each keypoint."""
