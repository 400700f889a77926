"""A four-legged animal (dog to cow) seen from anywhere, and a mouse seen from above."""

from __future__ import annotations

from armature.data.synthetic.rig import Builder, Pose, View

# Figures are tables of numbers, wrapped by hand.
# fmt: off

#: Bend x < 0 swings a leg forwards and lifts the neck; twist y > 0 turns a neck or a tail to the animal's left.
POSES = (
    Pose(
        2.0,  # standing
        {},
        {"ribs": (4, 8, 3), "neck": (16, 18, 6), "head": (12, 18, 8), "upper_foreleg": (9, 0, 4), "thigh": (8, 0, 4),
         "tail": (30, 30, 10)},
    ),
    Pose(
        2.2,  # walking and running
        {"foreleg": (18, 0, 0), "shin": (8, 0, 0)},
        {"ribs": (5, 6, 3), "neck": (14, 14, 5), "head": (10, 14, 6), "upper_foreleg": (10, 0, 4), "thigh": (10, 0, 4),
         "tail": (25, 25, 8)},
        {"upper_foreleg": (30, 0, 0), "foreleg": (24, 0, 0), "thigh": (-30, 0, 0), "shin": (-20, 0, 0)},
    ),
    Pose(
        1.0,  # sitting
        {"hips": (-42, 0, 0), "ribs": (4, 0, 0), "neck": (22, 0, 0), "head": (18, 0, 0), "upper_foreleg": (38, 0, 0),
         "thigh": (-40, 0, 8),
         "shin": (42, 0, 0), "hock": (-20, 0, 0), "tail": (60, 0, 0)},
        {"ribs": (5, 8, 3), "neck": (10, 18, 6), "head": (10, 20, 8), "upper_foreleg": (6, 0, 4), "thigh": (6, 0, 5),
         "tail": (15, 35, 5)},
    ),
    Pose(
        1.0,  # grazing or sniffing
        {"ribs": (9, 0, 0), "neck": (68, 0, 0), "head": (4, 0, 0)},
        {"ribs": (4, 8, 3), "neck": (12, 16, 6), "head": (14, 14, 6), "upper_foreleg": (12, 0, 5), "thigh": (9, 0, 4),
         "tail": (25, 30, 8)},
    ),
    Pose(
        0.7,  # jumping
        {"hips": (-20, 0, 0), "upper_foreleg": (-45, 0, 0), "foreleg": (35, 0, 0), "thigh": (42, 0, 0),
         "neck": (-6, 0, 0)},
        {"hips": (14, 0, 6), "ribs": (8, 8, 4), "neck": (12, 14, 6), "head": (10, 14, 6), "upper_foreleg": (22, 0, 6),
         "foreleg": (20, 0, 0),
         "thigh": (18, 0, 6), "shin": (15, 0, 0), "tail": (30, 30, 10)},
    ),
)
VIEW = View(yaw=(0.0, -1.0), elevation=(10.0, 8.0), roll=(0.0, 5.0))
REACH = 1.15

MOUSE_POSES = (
    Pose(2.0, {}, {"ribs": (3, 18, 3), "neck": (4, 16, 3), "head": (6, 16, 4), "tail": (0, 28, 0),
         "tail_mid": (0, 30, 0), "tail_end": (0, 35, 0)}),
    Pose(1.0, {"ribs": (0, 28, 0), "neck": (0, 22, 0), "tail": (0, -20, 0)},
         {"ribs": (3, 8, 3), "neck": (4, 8, 3), "head": (6, 14, 4), "tail": (0, 28, 0), "tail_mid": (0, 35, 0),
          "tail_end": (0, 40, 0)}),
    Pose(1.0, {"ribs": (0, -28, 0), "neck": (0, -22, 0), "tail": (0, 20, 0)},
         {"ribs": (3, 8, 3), "neck": (4, 8, 3), "head": (6, 14, 4), "tail": (0, 28, 0), "tail_mid": (0, 35, 0),
          "tail_end": (0, 40, 0)}),
)
MOUSE_VIEW = View(yaw=(0.0, 0.0), elevation=(90.0, 6.0), roll=(0.0, -1.0))
MOUSE_REACH = 1.15


def quadruped() -> Builder:
    """All joints, parts and points of a four-legged animal."""
    b = Builder("quadruped")
    b.joint("hips", None, (0, 0, 0), "body", (0.12, 0.10, 0.12))
    b.joint("ribs", "hips", (0, 0.01, 0.26), "body", (0.12, 0.10, 0.12))
    b.joint("neck", "ribs", (0, 0.07, 0.26), "neck", (0.05, 0.25, 0.25))
    b.joint("tail", "hips", (0, 0.06, -0.10), "tail", (0.05, 0.3, 0.3))
    b.part("belly", "fur", ("hips", (0, -0.01, 0.02), 0.125), ("ribs", (0, -0.03, 0.02), 0.142),
           ("ribs", (0, -0.03, 0.18), 0.140), limb="body")
    b.part("rump", "fur", ("hips", (0, 0.005, -0.04), 0.115), ("hips", (0, -0.03, 0.05), 0.12), bias=-0.001,
           limb="body")
    b.part("throat", "fur", ("ribs", (0, 0.0, 0.20), 0.125), ("neck", (0, 0.05, 0.05), 0.088),
           ("head", (0, -0.01, -0.03), 0.068), limb="body")
    b.part("tail_root", "fur", ("tail", (0, 0, 0.03), 0.03), ("tail", (0, -0.03, -0.13), 0.023), limb="tail")
    b.part("tail_tip", "fur_dark", ("tail", (0, -0.03, -0.13), 0.025), ("tail", (0, -0.13, -0.29), 0.016), limb="tail")
    b.point(("root_of_tail", "tail_root", "tail_base", "tailbase", "tail"), "tail", (0, 0, 0), ("tail_root", "rump"))
    b.point(("neck", "neck_base", "withers"), "neck", (0, 0, -0.02), ("throat", "belly"))
    b.point(("tail_end", "tail_tip"), "tail", (0, -0.13, -0.29), ("tail_tip",))
    _animal_head(b)
    for side, x in (("left", 1.0), ("right", -1.0)):
        _foreleg(b, side, x)
        _hindleg(b, side, x)
    _limits(b)
    return b


def _animal_head(b: Builder) -> None:
    b.joint("head", "neck", (0, 0.17, 0.17), "head", (0.08, 0.08, 0.2))
    b.part("skull", "fur", ("head", (0, 0.01, 0.03), 0.083), ("head", (0, -0.01, 0.0), 0.075), limb="head")
    b.part("snout", "fur_light", ("head", (0, -0.025, 0.06), 0.055), ("head", (0, -0.045, 0.17), 0.04), bias=0.012,
           limb="head")
    b.part("nose_tip", "muzzle", ("head", (0, -0.028, 0.205), 0.02), bias=0.01)
    b.point("nose", "head", (0, -0.028, 0.212), ("nose_tip",), ("snout", "skull"), (0, 0, 1), -0.15)
    for side, x in (("left", 1.0), ("right", -1.0)):
        b.part(f"{side}_ear_flap", "fur_dark", ("head", (0.055 * x, 0.07, -0.01), 0.026),
               ("head", (0.085 * x, 0.135, -0.02), 0.014), bias=0.005)
        b.part(f"{side}_white", "white", ("head", (0.05 * x, 0.035, 0.087), 0.017))
        b.part(f"{side}_pupil", "pupil", ("head", (0.054 * x, 0.035, 0.096), 0.012), bias=0.006)
        eye = (f"{side}_white", f"{side}_pupil")
        b.point(f"{side}_eye", "head", (0.053 * x, 0.035, 0.094), eye, ("skull", "snout"), (0.75 * x, 0.1, 0.8), 0.15)
        b.point((f"{side}_ear", f"{side}_ear_base"), "head", (0.07 * x, 0.1, -0.015), (f"{side}_ear_flap",))


def _foreleg(b: Builder, side: str, x: float) -> None:
    upper, lower, paw = f"{side}_upper_foreleg", f"{side}_foreleg", f"{side}_forepaw"
    b.joint(upper, "ribs", (0.085 * x, -0.04, 0.17), "legs", (0.05, 0.22, 0.05))
    b.joint(lower, upper, (0, -0.21, -0.03), "legs", (0.05, 0.22, 0.05))
    b.joint(paw, lower, (0, -0.27, 0.015), "legs", (0.05, 0.05, 0.05))
    b.part(f"{side}_shoulder_blade", "fur", (upper, (0, 0.02, -0.01), 0.075), (upper, (0, -0.21, -0.03), 0.045),
           bias=0.03, limb=f"{side}_fore")
    b.part(f"{side}_forearm", "fur", (lower, (0, 0, 0), 0.043), (lower, (0, -0.27, 0.015), 0.026), bias=0.03,
           limb=f"{side}_fore")
    b.part(f"{side}_front_foot", "sock", (paw, (0, 0.02, 0), 0.027), (paw, (0, -0.035, 0.03), 0.027),
           (paw, (0, -0.035, 0.0), 0.025), bias=0.032)
    b.point(f"{side}_shoulder", upper, (0, 0, 0), (f"{side}_shoulder_blade",), ("belly", "throat"), (x, 0, 0.3), -0.1)
    b.point((f"{side}_elbow", f"{side}_front_elbow", f"{side}_front_knee"), lower, (0, 0, 0),
            (f"{side}_shoulder_blade", f"{side}_forearm"))
    names = (f"{side}_front_paw", f"{side}_f_paw", f"{side}_front_hoof", f"{side}_forepaw", f"{side}_front_foot")
    b.point(names, paw, (0, -0.03, 0.015), (f"{side}_front_foot", f"{side}_forearm"))


def _hindleg(b: Builder, side: str, x: float) -> None:
    thigh, shin, hock, paw = f"{side}_thigh", f"{side}_shin", f"{side}_hock", f"{side}_hindpaw"
    b.joint(thigh, "hips", (0.08 * x, -0.02, 0), "legs", (0.05, 0.22, 0.05))
    b.joint(shin, thigh, (0, -0.20, 0.05), "legs", (0.05, 0.22, 0.05))
    b.joint(hock, shin, (0, -0.17, -0.09), "legs", (0.05, 0.22, 0.05))
    b.joint(paw, hock, (0, -0.14, 0.03), "legs", (0.05, 0.05, 0.05))
    b.part(f"{side}_ham", "fur", (thigh, (0, 0.01, 0), 0.095), (thigh, (0, -0.20, 0.05), 0.052), bias=0.03,
           limb=f"{side}_hind")
    b.part(f"{side}_lower_leg", "fur", (shin, (0, 0, 0), 0.052), (shin, (0, -0.17, -0.09), 0.03), bias=0.03,
           limb=f"{side}_hind")
    b.part(f"{side}_cannon", "fur", (hock, (0, 0, 0), 0.03), (hock, (0, -0.14, 0.03), 0.024), bias=0.03,
           limb=f"{side}_hind")
    b.part(f"{side}_back_foot", "sock", (paw, (0, 0.01, 0), 0.026), (paw, (0, -0.03, 0.035), 0.027),
           (paw, (0, -0.03, 0.0), 0.025), bias=0.032)
    b.point(f"{side}_hip", thigh, (0, 0, 0), (f"{side}_ham",), ("rump", "belly"), (x, 0, -0.3), -0.1)
    b.point((f"{side}_knee", f"{side}_back_knee", f"{side}_stifle"), shin, (0, 0, 0),
            (f"{side}_ham", f"{side}_lower_leg"))
    b.point(f"{side}_hock", hock, (0, 0, 0), (f"{side}_lower_leg", f"{side}_cannon"))
    names = (f"{side}_back_paw", f"{side}_b_paw", f"{side}_back_hoof", f"{side}_hindpaw", f"{side}_back_foot",
             f"{side}_hind_paw")
    b.point(names, paw, (0, -0.025, 0.015), (f"{side}_back_foot", f"{side}_cannon"))


def _limits(b: Builder) -> None:
    b.limit("neck", (-25, -55, -20), (95, 55, 20))
    b.limit("head", (-30, -50, -25), (45, 50, 25))
    b.limit("upper_foreleg", (-75, -5, -10), (60, 5, 18))
    b.limit("foreleg", (-5, 0, 0), (95, 0, 0))
    b.limit("thigh", (-60, -5, -8), (60, 5, 22))
    b.limit("shin", (-25, 0, 0), (60, 0, 0))
    b.limit("tail", (-80, -70, -20), (80, 70, 20))


def mouse() -> Builder:
    """All joints, parts and points of a mouse whose back faces +y; its forward is +z."""
    b = Builder("mouse")
    b.joint("hips", None, (0, 0, 0), "body", (0.12, 0.05, 0.10))
    b.joint("ribs", "hips", (0, 0, 0.26), "body", (0.12, 0.05, 0.10))
    b.joint("neck", "ribs", (0, 0, 0.20), "body", (0.10, 0.05, 0.08))
    b.joint("head", "neck", (0, 0, 0.10), "head", (0.08, 0.05, 0.10))
    b.joint("tail", "hips", (0, -0.02, -0.20), "tail", (0, 0, 0.15))
    b.joint("tail_mid", "tail", (0, 0, -0.25), "tail", (0, 0, 0.15))
    b.joint("tail_end", "tail_mid", (0, 0, -0.25), "tail", (0, 0, 0.15))
    b.part("rear", "mouse", ("hips", (0, 0, -0.02), 0.185), ("hips", (0, 0, 0.16), 0.195),
           ("ribs", (0, 0, 0.03), 0.175), limb="body")
    b.part("front", "mouse", ("ribs", (0, 0, 0.0), 0.18), ("neck", (0, 0, 0.02), 0.13), ("hips", (0, 0, 0.16), 0.185),
           bias=0.002, limb="body")
    b.part("skull", "mouse", ("neck", (0, 0, 0.0), 0.125), ("head", (0, 0, 0.05), 0.105), bias=0.01, limb="body")
    b.part("muzzle", "mouse", ("head", (0, 0, 0.06), 0.085), ("head", (0, -0.02, 0.185), 0.028), bias=0.008,
           limb="body")
    b.part("nose", "pink", ("head", (0, -0.02, 0.205), 0.018), bias=0.012)
    b.part("rump", "mouse", ("hips", (0, 0, -0.04), 0.165), ("tail", (0, 0, 0.0), 0.055), bias=-0.002, limb="body")
    for name, radius in (("tail", 0.028), ("tail_mid", 0.021), ("tail_end", 0.015)):
        b.part(f"{name}_string", "pink", (name, (0, 0, 0.02), radius), (name, (0, 0, -0.25), radius * 0.75),
               limb="tail", bias=0.004 if name == "tail" else 0.0)
    _mouse_points(b)
    return b


def _mouse_points(b: Builder) -> None:
    body = ("rear", "front", "skull", "rump")
    b.point(("snout", "nose", "nose_tip"), "head", (0, -0.02, 0.207), ("nose", "muzzle"))
    b.point(("tailbase", "tail_base", "root_of_tail", "tail1"), "tail", (0, 0, 0.0), ("rump", "tail_string", "rear"))
    b.point(("tail_mid", "tailmid", "tail2"), "tail_mid", (0, 0, -0.0), ("tail_string", "tail_mid_string"))
    b.point(("tail_tip", "tailtip", "tail_end", "tail3"), "tail_end", (0, 0, -0.25), ("tail_end_string",))
    b.point(("spine", "center", "centre", "body", "mid_back", "spine1"), "hips", (0, 0.15, 0.16), body)
    b.point(("neck", "head_base", "nape"), "neck", (0, 0.1, 0.0), (*body, "muzzle"))
    b.point("head", "head", (0, 0.08, 0.03), (*body, "muzzle"))
    for side, x in (("left", 1.0), ("right", -1.0)):
        b.part(f"{side}_flap", "pink", ("head", (0.112 * x, 0.06, -0.03), 0.058), bias=0.05)
        b.part(f"{side}_bead", "pupil", ("head", (0.068 * x, 0.06, 0.085), 0.017), bias=0.05)
        b.part(f"{side}_hind_foot", "pink", ("hips", (0.19 * x, -0.1, 0.05), 0.025),
               ("hips", (0.20 * x, -0.1, 0.13), 0.03))
        b.part(f"{side}_forefoot", "pink", ("neck", (0.11 * x, -0.1, 0.02), 0.02),
               ("neck", (0.12 * x, -0.1, 0.08), 0.025))
        b.point(f"{side}_ear", "head", (0.112 * x, 0.06, -0.03), (f"{side}_flap",))
        b.point(f"{side}_eye", "head", (0.068 * x, 0.06, 0.085), (f"{side}_bead", "muzzle", "skull"))
        b.point((f"{side}_hip", f"{side}_flank"), "hips", (0.13 * x, 0.08, 0.0), body)
        b.point(f"{side}_shoulder", "ribs", (0.11 * x, 0.08, 0.14), body)
