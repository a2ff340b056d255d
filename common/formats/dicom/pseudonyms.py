"""Pseudonyms instead of patients' identifiers."""

from typing import Literal

from blake3 import blake3

_PATIENT_FORM = b"Fr patient 1\0"


def pseudonym(patient: str | None, key: bytes) -> str | None:
    """The pseudonym of a patient: 16 hexadecimal digits of the keyed hash (BLAKE3) of the id,
    without the spaces around it, which mean nothing (PS3.5 6.2).

    Args:
        patient: PatientID; None if the file has none.
        key: 32 bytes.
    """
    text = (patient or "").strip()
    return blake3(text.encode(), key=key).hexdigest()[:16] if text else None


def uid_pseudonym(uid: str | None, level: Literal["study", "series"], key: bytes) -> str | None:
    """The pseudonym of a study or a series: 16 hexadecimal digits of the keyed hash of its UID.

    Args:
        uid: StudyInstanceUID or SeriesInstanceUID; None if the file has none.
        level: which of them it is.
        key: 32 bytes.
    """
    return blake3(f"{level}\0{uid}".encode(), key=key).hexdigest()[:16] if uid else None


def patient_token(patient: str | None, key: bytes) -> str | None:
    """What stands for a patient in the ids of scans: 32 hexadecimal digits of the keyed hash of the
    id, without the spaces around it, which mean nothing (PS3.5 6.2).

    Args:
        patient: PatientID; None if the file has none.
        key: 32 bytes, the key of the ids.
    """
    text = (patient or "").strip()
    return blake3(_PATIENT_FORM + text.encode(), key=key).hexdigest()[:32] if text else None
