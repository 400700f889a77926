"""The person: 17 COCO points and the others that person skeletons name, clothes included."""

from __future__ import annotations

from armature.data.synthetic.rig import Builder, Pose, Vector, View

# Figures are tables of numbers, wrapped by hand.
# fmt: off

#: Angles in degrees; see ``Pose``. Bend x < 0 lifts an arm or a thigh forwards, spread z > 0 lifts it sideways.
POSES = (
    Pose(
        2.2,  # standing
        {"arm": (0, 0, 12), "forearm": (-18, 0, 0), "thigh": (-2, 0, 4)},
        {"chest": (4, 8, 4), "head": (9, 22, 6), "arm": (16, 20, 8), "forearm": (18, 10, 4), "thigh": (6, 8, 4),
         "shin": (6, 0, 0)},
    ),
    Pose(
        2.0,  # walking and running
        {"pelvis": (5, 0, 0), "arm": (0, 0, 9), "forearm": (-45, 0, 0), "thigh": (-10, 0, 2), "shin": (28, 0, 0),
         "head": (-4, 0, 0)},
        {"chest": (5, 6, 3), "head": (7, 18, 5), "arm": (12, 10, 6), "forearm": (26, 10, 4), "thigh": (8, 4, 3),
         "shin": (14, 0, 0)},
        {"arm": (30, 0, 0), "thigh": (-32, 0, 0), "shin": (-22, 0, 0), "chest": (0, 8, 0)},
    ),
    Pose(
        1.6,  # sitting
        {"pelvis": (-6, 0, 0), "thigh": (-82, 0, 10), "shin": (80, 0, 0), "arm": (-28, 0, 10), "forearm": (-50, 0, 0)},
        {"chest": (9, 8, 5), "head": (10, 22, 7), "arm": (20, 20, 10), "forearm": (26, 20, 6), "thigh": (9, 6, 8),
         "shin": (14, 6, 4)},
    ),
    Pose(
        1.3,  # arms up
        {"arm": (0, 0, 135), "forearm": (-25, 0, 20), "thigh": (-4, 0, 7), "shin": (6, 0, 0)},
        {"chest": (6, 8, 7), "head": (12, 18, 8), "arm": (22, 25, 30), "forearm": (26, 20, 22), "thigh": (9, 6, 7),
         "shin": (9, 0, 0)},
    ),
    Pose(
        1.0,  # bending
        {"pelvis": (28, 0, 0), "chest": (34, 0, 0), "head": (-22, 0, 0), "arm": (-62, 0, 8), "forearm": (-18, 0, 0),
         "thigh": (-30, 0, 5)},
        {"pelvis": (9, 0, 5), "chest": (12, 8, 4), "head": (12, 15, 6), "arm": (26, 20, 12), "forearm": (18, 15, 6),
         "thigh": (12, 5, 5)},
    ),
    Pose(
        1.0,  # crouching
        {"pelvis": (14, 0, 0), "chest": (18, 0, 0), "head": (-20, 0, 0), "thigh": (-98, 0, 14), "shin": (105, 0, 0),
         "arm": (-40, 0, 14)},
        {"chest": (9, 8, 5), "head": (9, 18, 6), "thigh": (14, 6, 9), "shin": (18, 0, 0), "arm": (24, 20, 14),
         "forearm": (38, 20, 6)},
    ),
    Pose(
        1.9,  # free: sport, dance, pointing
        {"arm": (-25, 0, 65), "forearm": (-55, 0, 0), "thigh": (-22, 0, 12), "shin": (30, 0, 0)},
        {"pelvis": (8, 0, 8), "chest": (12, 14, 9), "head": (12, 25, 9), "arm": (42, 35, 40), "forearm": (38, 30, 12),
         "thigh": (26, 12, 12), "shin": (26, 5, 4), "foot": (14, 8, 0)},
    ),
)
#: Three of four people that are not seen from the side face the viewer, as in COCO (2,317 of 3,140 in val2017).
VIEW = View(yaw=(0.0, 90.0), elevation=(7.0, 8.0), roll=(0.0, 7.0))
REACH = 1.75


def builder() -> Builder:
    """All joints, parts and points of a person."""
    b = Builder("person")
    _trunk(b)
    _head(b)
    for side, x in (("left", 1.0), ("right", -1.0)):
        _arm(b, side, x)
        _leg(b, side, x)
    _limits(b)
    _middle_points(b)
    return b


def _trunk(b: Builder) -> None:
    b.joint("pelvis", None, (0, 0, 0), "hips", (0.08, 0.03, 0.08))
    b.joint("chest", "pelvis", (0, 0.13, 0), "torso", (0.08, 0.06, 0.08))
    b.part("seat", "bottom", ("pelvis", (0.075, 0.01, -0.01), 0.088), ("pelvis", (-0.075, 0.01, -0.01), 0.088),
           ("pelvis", (0.06, 0.10, 0), 0.088), ("pelvis", (-0.06, 0.10, 0), 0.088), bias=-0.03, limb="body")
    b.part("trunk", "top", ("chest", (0.135, 0.29, 0), 0.082), ("chest", (-0.135, 0.29, 0), 0.082),
           ("chest", (0.062, -0.03, 0), 0.092), ("chest", (-0.062, -0.03, 0), 0.092), bias=0.01, limb="body")
    b.part("neck", "skin", ("chest", (0, 0.36, 0), 0.052), ("head", (0, 0.05, 0.01), 0.05), bias=-0.02)
    b.part("collar", "collar", ("chest", (0.045, 0.352, 0.052), 0.014), ("chest", (-0.045, 0.352, 0.052), 0.014),
           ("chest", (0, 0.30, 0.078), 0.012), bias=0.03)
    for i, y in enumerate((0.24, 0.14, 0.04)):
        b.part(f"button{i}", "button", ("chest", (0, y, 0.09), 0.011), bias=0.03)


def _head(b: Builder) -> None:
    b.joint("head", "chest", (0, 0.40, 0.01), "head", (0.06, 0.06, 0.05))
    b.part("skull", "skin", ("head", (0, 0.135, 0.012), 0.098), ("head", (0, 0.07, 0.035), 0.066), limb="head")
    b.part("hair", "hair", ("head", (0, 0.155, -0.012), 0.104), ("head", (0, 0.12, -0.045), 0.088), bias=-0.004)
    b.part("locks", "locks", ("head", (0.05, 0.10, -0.05), 0.062), ("head", (-0.05, 0.10, -0.05), 0.062),
           ("head", (0, -0.02, -0.065), 0.05), bias=-0.02)
    b.part("fringe", "hair", ("head", (0.05, 0.205, 0.055), 0.036), ("head", (-0.05, 0.205, 0.055), 0.036),
           ("head", (0, 0.225, 0.03), 0.035), bias=0.02)
    b.part("nose", "nose", ("head", (0, 0.12, 0.105), 0.011), ("head", (0, 0.095, 0.12), 0.016), bias=0.004)
    b.part("mouth", "mouth", ("head", (0.022, 0.055, 0.092), 0.007), ("head", (-0.022, 0.055, 0.092), 0.007))
    face = ("skull", "nose", "fringe")
    b.point("nose", "head", (0, 0.098, 0.125), ("nose",), (*face, "mouth"), (0, 0, 1), -0.1)
    for side, x in (("left", 1.0), ("right", -1.0)):
        b.part(f"{side}_white", "white", ("head", (0.036 * x, 0.142, 0.094), 0.0165))
        b.part(f"{side}_pupil", "pupil", ("head", (0.036 * x, 0.142, 0.103), 0.0095), bias=0.006)
        b.part(f"{side}_ear", "nose", ("head", (0.099 * x, 0.135, 0.0), 0.02),
               ("head", (0.096 * x, 0.112, 0.004), 0.015))
        b.point(f"{side}_eye", "head", (0.036 * x, 0.142, 0.103), (f"{side}_white", f"{side}_pupil"), face,
                (0.35 * x, 0, 1), 0.05)
        b.point(f"{side}_ear", "head", (0.1 * x, 0.125, 0.002), (f"{side}_ear",), ("skull", "hair"), (x, 0, 0.25), 0.1)


def _arm(b: Builder, side: str, x: float) -> None:
    arm, forearm, hand = f"{side}_arm", f"{side}_forearm", f"{side}_hand"
    b.joint(arm, "chest", (0.168 * x, 0.295, 0), "arm", (0.05, 0.08, 0.05))
    b.joint(forearm, arm, (0, -0.28, 0), "forearm", (0.05, 0.08, 0.05))
    b.joint(hand, forearm, (0, -0.25, 0), "arm", (0.05, 0.06, 0.05))
    b.part(f"{side}_upper_arm", "top", (arm, (0, 0, 0), 0.062), (arm, (0, -0.14, 0), 0.052),
           (arm, (0, -0.28, 0), 0.043), bias=0.085, limb=arm)
    b.part(f"{side}_sleeve", "sleeve", (forearm, (0, 0, 0), 0.043), (forearm, (0, -0.08, 0), 0.043),
           (forearm, (0, -0.235, 0), 0.030), bias=0.09, limb=arm)
    b.part(f"{side}_palm", "skin", (hand, (0, 0, 0), 0.029), (hand, (0, -0.06, 0.008), 0.034),
           (hand, (0, -0.125, 0.02), 0.020), bias=0.1, limb=arm)
    b.part(f"{side}_thumb", "skin", (hand, (-0.012 * x, -0.03, 0.02), 0.017),
           (hand, (-0.02 * x, -0.075, 0.045), 0.012), bias=0.1, limb=arm)
    b.point(f"{side}_shoulder", arm, (0, 0, 0), (f"{side}_upper_arm",), ("trunk",), (x, 0, 0), -0.6)
    b.point(f"{side}_elbow", forearm, (0, 0, 0), (f"{side}_upper_arm", f"{side}_sleeve"))
    b.point(f"{side}_wrist", hand, (0, 0, 0), (f"{side}_sleeve", f"{side}_palm"))
    b.point((f"{side}_hand", f"{side}_palm"), hand, (0, -0.06, 0.008), (f"{side}_palm", f"{side}_thumb"))


def _leg(b: Builder, side: str, x: float) -> None:
    thigh, shin, foot = f"{side}_thigh", f"{side}_shin", f"{side}_foot"
    b.joint(thigh, "pelvis", (0.095 * x, 0, 0), "thigh", (0.05, 0.07, 0.05))
    b.joint(shin, thigh, (0, -0.43, 0), "shin", (0.05, 0.07, 0.05))
    b.joint(foot, shin, (0, -0.41, 0), "hips", (0.04, 0.04, 0.06))
    b.part(f"{side}_upper_leg", "bottom", (thigh, (0, 0, 0), 0.085), (thigh, (0, -0.2, 0), 0.072),
           (thigh, (0, -0.43, 0), 0.056), limb=thigh)
    b.part(f"{side}_lower_leg", "legs", (shin, (0, 0, 0), 0.055), (shin, (0, -0.13, -0.012), 0.055),
           (shin, (0, -0.40, 0), 0.035), bias=-0.01, limb=thigh)
    b.part(f"{side}_shoe", "shoe", (foot, (0, -0.02, -0.03), 0.042), (foot, (0, -0.045, 0.11), 0.030),
           (foot, (0, -0.05, 0.0), 0.034), bias=0.005)
    b.part(f"{side}_sole", "sole", (foot, (0, -0.072, -0.035), 0.016), (foot, (0, -0.072, 0.12), 0.014), bias=0.002)
    b.point(f"{side}_hip", thigh, (0, 0, 0), (f"{side}_upper_leg",), ("seat",), (x, 0, 0), -0.6)
    b.point(f"{side}_knee", shin, (0, 0, 0), (f"{side}_upper_leg", f"{side}_lower_leg"))
    b.point(f"{side}_ankle", foot, (0, 0.005, 0), (f"{side}_lower_leg", f"{side}_shoe"))
    b.point(f"{side}_heel", foot, (0, -0.05, -0.05), (f"{side}_shoe", f"{side}_sole"))
    for name in ("big_toe", "small_toe", "toe", "toes", "foot"):
        b.point(f"{side}_{name}", foot, (0, -0.045, 0.12), (f"{side}_shoe", f"{side}_sole"))


def _middle_points(b: Builder) -> None:
    """Points of person skeletons other than COCO's."""
    every: Vector = (0, 0, 1)
    b.point(("neck", "upper_neck", "throat"), "chest", (0, 0.36, 0), ("neck", "trunk", "collar"), (), every)
    b.point(("thorax", "sternum", "chest"), "chest", (0, 0.28, 0), ("trunk", "collar", "button0"), (), every)
    b.point(("head_top", "top_head", "head"), "head", (0, 0.245, 0.0), ("skull", "hair", "fringe", "locks"), (), every)
    b.point(("pelvis", "mid_hip", "hip", "root"), "pelvis", (0, 0.01, 0), ("seat",), (), every)
    b.point(("spine", "belly", "torso"), "chest", (0, 0.05, 0), ("trunk", "button2", "button1"), (), every)
    b.point(("chin", "jaw"), "head", (0, 0.012, 0.06), ("skull", "mouth", "neck"), (), every)
    b.point("forehead", "head", (0, 0.19, 0.09), ("fringe",), ("skull", "hair"), every, 0.0)


def _limits(b: Builder) -> None:
    b.limit("pelvis", (-25, -25, -20), (75, 25, 20))
    b.limit("chest", (-25, -35, -25), (70, 35, 25))
    b.limit("head", (-45, -60, -25), (35, 60, 25))
    b.limit("arm", (-150, -60, -15), (55, 60, 172))
    b.limit("forearm", (-140, -40, -15), (0, 40, 30))
    b.limit("hand", (-30, -20, -15), (30, 20, 15))
    b.limit("thigh", (-125, -30, -12), (30, 30, 60))
    b.limit("shin", (0, -5, -5), (140, 5, 5))
    b.limit("foot", (-20, -15, -8), (35, 15, 8))
