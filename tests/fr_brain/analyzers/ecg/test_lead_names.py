"""What a lead is, by the names of devices and databases."""

import pytest

from fr_brain.analyzers.ecg.lead_names import standard_name


@pytest.mark.parametrize(
    ("name", "standard"),
    [
        ("I", "I"),
        ("Lead I (Einthoven)", "I"),
        ("MLII", "II"),
        ("MDC_ECG_LEAD_aVF", "AVF"),
        ("DII", "II"),
        ("lead 3", "III"),
        ("ECG V5", "V5"),
        ("Lead aVL", "AVL"),
        ("ECG1", None),
        ("V", None),
        ("V10", None),
        ("MCL1", None),
        ("", None),
    ],
)
def test_names(name: str, standard: str | None) -> None:
    assert standard_name(name) == standard
