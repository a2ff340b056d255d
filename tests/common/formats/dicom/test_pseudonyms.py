"""Pseudonyms hang on the key and the patient alone."""

from common.formats.dicom.pseudonyms import pseudonym


def test_a_pseudonym_hangs_on_the_key_and_the_patient_alone() -> None:
    assert pseudonym("patient-1", bytes(32)) == pseudonym("patient-1", bytes(32))
    mine = pseudonym("patient-1", bytes(32))
    assert mine is not None
    assert len(mine) == 16
    assert len({mine, pseudonym("patient-2", bytes(32)), pseudonym("patient-1", b"k" * 32)}) == 3
    assert pseudonym(None, bytes(32)) is None
