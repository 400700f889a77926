"""A hand of 21 points, left or right."""

from __future__ import annotations

from armature.data.synthetic.rig import Builder, Pose, Vector, View

# Figures are tables of numbers, wrapped by hand.
# fmt: off

#: Finger: (x, y) of the knuckle, lengths of the three bones, radius, and the names it goes by.
FINGERS = {
    "index": ((0.125, 0.47), (0.22, 0.135, 0.105), 0.052, ("forefinger", "index", "index_finger")),
    "middle": ((0.02, 0.485), (0.245, 0.155, 0.11), 0.053, ("middle_finger", "middle")),
    "ring": ((-0.08, 0.46), (0.225, 0.145, 0.105), 0.05, ("ring_finger", "ring")),
    "pinky": ((-0.17, 0.41), (0.175, 0.105, 0.095), 0.043, ("pinky_finger", "pinky", "little_finger", "little")),
}
_JOINT_WORDS = ("mcp", "pip", "dip", "tip")
_SMALL: Vector = (7, 3, 5)


def _pose(weight: float, curls: tuple[float, float, float, float], thumb: Vector, spread: float, loose: float) -> Pose:
    mean: dict[str, Vector] = {"thumb1": thumb, "thumb2": (12, 0, 0), "thumb3": (12, 0, 0)}
    for (name, fan), curl in zip((("index", -1.0), ("middle", -0.2), ("ring", 0.6), ("pinky", 1.5)), curls,
            strict=True):
        mean |= {f"{name}1": (curl * 0.8, 0, fan * spread), f"{name}2": (curl, 0, 0), f"{name}3": (curl * 0.7, 0, 0)}
    deviation: dict[str, Vector] = {n: (loose, 0, 4.0 if n.endswith("1") else 0) for n in mean}
    return Pose(weight, mean, deviation | {"thumb1": (9, 9, 9), "palm": _SMALL})


POSES = (
    _pose(2.0, (8, 8, 8, 8), (0, 0, -8), 8, 8),  # open
    _pose(1.5, (30, 34, 38, 42), (10, 20, 0), 3, 12),  # relaxed
    _pose(1.0, (85, 88, 88, 88), (25, 55, 25), 0, 8),  # fist
    _pose(1.0, (6, 82, 86, 86), (22, 50, 20), 2, 9),  # pointing
    _pose(0.8, (6, 6, 84, 86), (24, 55, 28), 10, 8),  # two fingers
    _pose(0.8, (52, 30, 22, 15), (25, 40, 12), 4, 9),  # pinching
    _pose(0.6, (84, 86, 86, 84), (-8, 0, -22), 0, 8),  # thumb up
    _pose(1.6, (40, 40, 40, 40), (10, 20, 0), 5, 30),  # anything
)
VIEW = View(yaw=(0.0, -1.0), elevation=(0.0, 24.0), roll=(0.0, 75.0))
REACH = 1.6


def builder() -> Builder:
    """All joints, parts and points of a hand with its palm towards the viewer, fingers up, thumb to the right."""
    b = Builder("hand")
    b.joint("palm", None, (0, 0, 0), "palm", (0.10, 0.06, 0.05))
    b.part("metacarpus", "skin", ("palm", (0.105, 0.45, 0), 0.065), ("palm", (-0.15, 0.39, 0), 0.06),
           ("palm", (0.06, 0.05, 0), 0.082),
           ("palm", (-0.07, 0.06, 0), 0.082), limb="hand")
    b.part("pad", "palm", ("palm", (0.08, 0.40, 0.045), 0.045), ("palm", (-0.12, 0.35, 0.045), 0.04),
           ("palm", (0.05, 0.10, 0.045), 0.055),
           ("palm", (-0.06, 0.10, 0.045), 0.055), limb="hand")
    b.part("forearm", "skin", ("palm", (0, 0.03, 0), 0.095), ("palm", (0, -0.18, 0), 0.10), bias=-0.02, limb="hand")
    b.part("cuff", "top", ("palm", (0.02, -0.20, 0), 0.13), ("palm", (-0.02, -0.55, 0), 0.16), bias=-0.01)
    b.point("wrist", "palm", (0, 0, 0), ("metacarpus", "pad", "forearm", "thumb1_bone"))
    for name, ((x, y), lengths, radius, words) in FINGERS.items():
        _finger(b, name, (x, y, 0), lengths, radius)
        _finger_points(b, name, words, lengths[2])
    _thumb(b)
    for name in (*FINGERS, "thumb"):
        for i in (1, 2, 3):
            b.limit(f"{name}{i}", (-12, -60, -35), (98, 60, 35))
    return b


def _finger(b: Builder, name: str, at: Vector, lengths: tuple[float, ...], radius: float) -> None:
    place, parent = at, "palm"
    for i, length in enumerate(lengths, start=1):
        joint, r = f"{name}{i}", radius * (1.06 - 0.09 * i)
        b.joint(joint, parent, place, "fingers", (0.04, 0.08, 0.04))
        b.part(f"{joint}_bone", "skin", (joint, (0, 0, 0), r * 1.04),
               (joint, (0, length * (0.9 if i == 3 else 1.0), 0), r * 0.93), bias=0.005, limb=name)
        place, parent = (0, length, 0), joint
    r = radius * 0.8
    b.part(f"{name}_nail", "nail", (parent, (0, lengths[2] * 0.75, -r * 0.75), r * 0.5),
           (parent, (0, lengths[2] * 0.97, -r * 0.7), r * 0.45), bias=0.006)


def _finger_points(b: Builder, name: str, words: tuple[str, ...], last: float) -> None:
    shown = {1: ("metacarpus", "pad", f"{name}1_bone"), 2: (f"{name}1_bone", f"{name}2_bone"),
             3: (f"{name}2_bone", f"{name}3_bone")}
    for i in (1, 2, 3):
        names = [f"{w}{i}" for w in words] + [f"{w}_{_JOINT_WORDS[i - 1]}" for w in words]
        b.point(names, f"{name}{i}", (0, 0, 0), shown[i])
    names = [f"{w}4" for w in words] + [f"{w}_tip" for w in words]
    b.point(names, f"{name}3", (0, last * 0.95, 0), (f"{name}3_bone", f"{name}_nail"))


def _thumb(b: Builder) -> None:
    b.joint("thumb0", "palm", (0.10, 0.12, 0.03), "palm", (0.05, 0.05, 0.05))
    lengths = (0.20, 0.155, 0.125)
    out: Vector = (0.11, 0.16, 0.02)
    b.joint("thumb1", "thumb0", (0, 0, 0), "fingers", (0.05, 0.05, 0.05))
    b.joint("thumb2", "thumb1", out, "fingers", (0.05, 0.05, 0.05))
    b.joint("thumb3", "thumb2", (0.085, 0.13, 0.01), "fingers", (0.05, 0.05, 0.05))
    tip: Vector = (0.055, 0.105, 0.005)
    b.part("thumb1_bone", "skin", ("thumb1", (0, 0, 0), 0.085), ("thumb1", out, 0.062), bias=0.01, limb="thumb")
    b.part("thumb2_bone", "skin", ("thumb2", (0, 0, 0), 0.061), ("thumb2", (0.085, 0.13, 0.01), 0.053), bias=0.01,
           limb="thumb")
    b.part("thumb3_bone", "skin", ("thumb3", (0, 0, 0), 0.054), ("thumb3", tip, 0.042), bias=0.01, limb="thumb")
    b.part("thumb_nail", "nail", ("thumb3", (0.04, 0.075, -0.035), 0.026), ("thumb3", (0.05, 0.1, -0.032), 0.022),
           bias=0.012)
    words = ("cmc", "mcp", "ip", "tip")
    shown = (("thumb1_bone", "metacarpus", "pad"), ("thumb1_bone", "thumb2_bone"), ("thumb2_bone", "thumb3_bone"),
             ("thumb3_bone", "thumb_nail"))
    places: tuple[tuple[str, Vector], ...] = (("thumb1", (0, 0, 0)), ("thumb2", (0, 0, 0)), ("thumb3", (0, 0, 0)),
            ("thumb3", (tip[0], tip[1], tip[2])))
    assert len(lengths) == 3
    for i, (joint, at) in enumerate(places):
        b.point((f"thumb{i + 1}", f"thumb_{words[i]}"), joint, at, shown[i])
