"""Pseudonyms hang on the key and the patient alone."""

from common.formats.dicom.pseudonyms import patient_token, pseudonym, uid_pseudonym


def test_a_pseudonym_hangs_on_the_key_and_the_patient_alone() -> None:
    assert pseudonym("patient-1", bytes(32)) == pseudonym("patient-1", bytes(32))
    mine = pseudonym("patient-1", bytes(32))
    assert mine is not None
    assert len(mine) == 16
    assert len({mine, pseudonym("patient-2", bytes(32)), pseudonym("patient-1", b"k" * 32)}) == 3
    assert pseudonym(None, bytes(32)) is None


def test_a_study_and_a_series_of_one_uid_have_pseudonyms_of_their_own() -> None:
    key = bytes(32)
    made = {uid_pseudonym("1.2", "study", key), uid_pseudonym("1.2", "series", key)}
    assert len(made | {pseudonym("1.2", key)}) == 3
    assert uid_pseudonym(None, "study", key) is None
    assert uid_pseudonym("", "series", key) is None


def test_spaces_around_a_patients_id_mean_nothing() -> None:
    key = bytes(32)
    token = patient_token("patient-1", key)
    assert token is not None
    assert (len(token), token) == (32, patient_token(" patient-1 ", key))
    assert token != patient_token("patient-2", key)
    assert patient_token(" ", key) is patient_token(None, key) is None
    assert pseudonym(" patient-1 ", key) == pseudonym("patient-1", key)
    assert pseudonym(" ", key) is None
