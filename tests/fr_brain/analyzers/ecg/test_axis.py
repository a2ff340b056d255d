"""The electrical axis."""

import numpy as np
import pytest

from common.domain.ecg_measures import EcgLead, Measured
from fr_brain.analyzers.ecg.average import AverageBeat
from fr_brain.analyzers.ecg.axis import electrical_axis
from fr_brain.analyzers.ecg.intervals import Waves

WAVES = Waves(-0.04, 0.04, 0.0, None, None, None, None)


def axis(degrees: float, *names: str, **changes: bool) -> Measured:
    at = {"I": 0, "II": 60, "III": 120}
    shape = np.zeros(101)
    shape[45:56] = np.hanning(11)
    gains = [
        (
            np.sqrt(3) / 2 * np.sin(np.deg2rad(degrees))
            if name == "aVF"
            else np.cos(np.deg2rad(degrees - at[name]))
        )
        for name in names
    ]
    values = shape[:, None] * np.array(gains)
    quiet = np.full(len(names), 0.001)
    average = AverageBeat(values, (values, values), 100.0, 50, 10, quiet, quiet)
    leads = [EcgLead(name=name, grade="good", usable=1.0) for name in names]
    return electrical_axis(leads, average, WAVES, swapped=changes.get("swapped", False))


@pytest.mark.parametrize("names", [("I", "aVF"), ("I", "II"), ("II", "III"), ("I", "III")])
@pytest.mark.parametrize("degrees", [-60, 0, 45, 90, 170])
def test_any_two_limb_leads_give_it(names: tuple[str, ...], degrees: float) -> None:
    assert axis(degrees, *names).value == pytest.approx(degrees, abs=0.1)


def test_it_is_withheld_where_leads_do_not_allow_it() -> None:
    assert axis(40, "II").withheld == "needs two limb leads"
    assert axis(40, "I", "II", swapped=True).withheld == "the arms look swapped"
