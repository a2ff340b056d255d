"""The role of a volume: that of its slices, and which of several it is."""

import re
from collections import Counter
from collections.abc import Sequence

from common.formats.dicom.roles import ANATOMICAL, DIFFUSION, DYNAMIC, UNCLASSIFIED
from common.formats.dicom.slices import TIME_TAGS, VOLUME_TAGS, Slice

_WORDS = {
    **dict.fromkeys(("EchoNumbers", "EchoTime"), "echo"),
    "InversionTime": "inversion",
    "DiffusionGradientOrientation": "direction",
    "StackID": "stack",
    "SegmentNumber": "segment",
    "TemporalPositionIdentifier": "time",
    **dict.fromkeys(TIME_TAGS, "time"),
    "occurrence": "volume",
}
"""What people call what differs; details of other tags say nothing more than the role."""
_DETAIL = re.compile(r"(\w+) (\d+) of (\d+)")
_MANY_TIMES = 10
"""A series of so many times is a measurement of change, whatever it is of."""
_ROLE_MAX = 64


def volume_role(slices: Sequence[Slice], details: Sequence[str], *, diffusion: bool) -> str:
    """The role of a volume (``roles``), such as ``'diffusion, b1000, direction 3'``.

    Args:
        slices: of the volume.
        details: what tells it from others of its series.
        diffusion: the series has diffusion-weighted volumes.
    """
    role = Counter(plane.role for plane in slices).most_common(1)[0][0]
    kind = role.partition(",")[0]
    if diffusion and kind in (ANATOMICAL, UNCLASSIFIED):
        b = slices[0].volume_keys[VOLUME_TAGS.index("DiffusionBValue")]
        role = f"{DIFFUSION}, b{b}" if b else DIFFUSION
    parts = [role]
    for detail in details:
        found = _DETAIL.fullmatch(detail)
        word = _WORDS.get(found[1]) if found else None
        if found and word and not (word == "direction" and role.endswith(", b0")):
            parts.append(f"{word} {found[2]}")
            if kind in (ANATOMICAL, UNCLASSIFIED) and not diffusion and word in ("time", "volume"):
                parts[0] = DYNAMIC if int(found[3]) >= _MANY_TIMES else parts[0]
    parts = list(dict.fromkeys(parts))
    while len(role := ", ".join(parts)) > _ROLE_MAX:
        parts.pop()
    return role
