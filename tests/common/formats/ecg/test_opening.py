"""Which format an ECG has is told by its first bytes and its name."""

import pytest

from common.formats.ecg.opening import EcgFormat, ecg_format

JSON = b'{"leads": [{"name": "I", "signal": [1]}]}'


@pytest.mark.parametrize(
    ("head", "name", "alone", "form"),
    [
        (b"100 2 360", "100.hea", False, EcgFormat.WFDB),
        (JSON, "x.json", True, EcgFormat.JSON),
        (JSON, "x.json", False, None),
        (b'{"RepetitionTime": 2}', "x.json", True, None),
        (JSON, "x.ECG.json", False, EcgFormat.JSON),
        (b"I,II", "x.csv", True, EcgFormat.CSV),
        (b"I,II", "x.csv", False, None),
        (b"I,II", "x.ecg.csv", False, EcgFormat.CSV),
        (b"0       " + bytes(248), "x", False, EcgFormat.EDF),
        (b"\xffBIOSEMI" + bytes(248), "x.bdf", False, EcgFormat.EDF),
        (b"0       ", "x.edf", False, None),
        (b"<AnnotatedECG", "x.xml", True, EcgFormat.AECG),
        (b"<AnnotatedECG", "x.xml", False, None),
        (b"<AnnotatedECG", "x.ecg.xml", False, EcgFormat.AECG),
        (b"n+1\0", "x.nii", True, None),
        (bytes(16) + b"SCPECG", "x", False, EcgFormat.SCP),
    ],
)
def test_the_format(head: bytes, name: str, alone: bool, form: EcgFormat | None) -> None:
    assert ecg_format(head, name, alone=alone) is form
