"""Names of leads and units of voltage."""

import re

import pytest

from common.errors import SourceError
from common.formats.ecg.leads import is_ecg_label, lead_names, millivolts, one_rate


def test_names_are_clean_and_each_is_used_once() -> None:
    labels = ["ECG I", "EKG lead aVR", "II", "II", "AVL", "x" * 40, "", "Jane^Doe", "-aVR", "V5+"]
    names = lead_names(labels)
    assert names[:5] == ("I", "aVR", "II", "II-2", "aVL")
    assert names[6] == "lead-7"
    assert names[8] == "-aVR"
    assert len(set(names)) == len(labels)
    assert all(re.fullmatch(r"[A-Za-z0-9+-]{1,16}", name) for name in names)


def test_units_are_scaled_to_millivolts() -> None:
    assert [millivolts(unit) for unit in ("mV", " uV ", "\u00b5V", "V")] == [1, 1e-3, 1e-3, 1e3]
    assert millivolts("mmHg") is None


def test_an_ecg_is_known_by_its_label() -> None:
    assert all(map(is_ecg_label, ("ECG", "ECG lead II", "I", "aVF", "MLII", "V5", "EKG1", "MCL1")))
    assert not any(map(is_ecg_label, ("ABP", "RESP", "CO2", "EEG Fp1", "PLETH", "EMG")))


def test_leads_have_one_rate() -> None:
    assert one_rate([250.0, 250.0]) == 250
    with pytest.raises(SourceError, match=r"\(100, 250 Hz\)"):
        one_rate([250.0, 100.0])
    with pytest.raises(SourceError, match="impossible"):
        one_rate([float("nan")])
