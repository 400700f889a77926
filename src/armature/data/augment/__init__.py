"""What is done to a training picture once it is on the canvas, in the loader, labels included; one file each.

All follow from (seed, epoch, index) alone and none changes what another one draws. No keypoint is lost or invented:
what is covered stays labelled, with visibility 1.
"""
