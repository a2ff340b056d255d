"""The electrical axis of QRS in the frontal plane, from the net areas in two limb leads."""

from collections.abc import Sequence

import numpy as np

from common.domain.ecg_measures import EcgLead, Measured
from fr_brain.analyzers.ecg.average import AverageBeat
from fr_brain.analyzers.ecg.intervals import Waves
from fr_brain.analyzers.ecg.lead_names import standard_name

_LIMB = ("I", "II", "III", "AVF")
_LENGTH_MIN = 0.1
"""Net area over the area of the absolute values: below it, no direction prevails."""


def electrical_axis(
    leads: Sequence[EcgLead], average: AverageBeat | None, waves: Waves | None, *, swapped: bool
) -> Measured:
    """The axis, degrees: 0 to the left, 90 to the feet.

    Einthoven's and Goldberger's leads differ in gain by the square root of 3 over 2; lead aVF is
    taken from two of I, II and III where it is not there.
    """
    if average is None or waves is None:
        return Measured.no("too few similar beats")
    if swapped:
        return Measured.no("the arms look swapped")
    if any("inverted" in lead.problems and standard_name(lead.name) in _LIMB for lead in leads):
        return Measured.no("a limb lead looks inverted")
    first = average.middle + round(waves.qrs_start * average.hz)
    last = average.middle + round(waves.qrs_end * average.hz)
    qrs = average.values[first : last + 1] - average.values[first]
    area, length = {}, {}
    for number, lead in enumerate(leads):
        name = standard_name(lead.name)
        if name and lead.grade != "unusable" and np.isfinite(average.noise[number]):
            area[name] = float(qrs[:, number].sum())
            length[name] = float(np.abs(qrs[:, number]).sum())
    if "I" in area and "AVF" in area:
        one, foot = area["I"], area["AVF"]
    elif "I" in area and "II" in area:
        one, foot = area["I"], area["II"] - area["I"] / 2
    elif "II" in area and "III" in area:
        one, foot = area["II"] - area["III"], (area["II"] + area["III"]) / 2
    elif "I" in area and "III" in area:
        one, foot = area["I"], area["III"] + area["I"] / 2
    else:
        return Measured.no("needs two limb leads")
    foot *= 2 / np.sqrt(3)
    size = float(np.hypot(one, foot))
    if size < _LENGTH_MIN * max(length.values()):
        return Measured.no("no direction prevails")
    confidence = min(1.0, size / max(length.values())) * min(1.0, 0.5 + average.beats / 20)
    degrees = float(np.rad2deg(np.arctan2(foot, one)))
    return Measured(value=round(degrees, 1), confidence=round(confidence, 2))
