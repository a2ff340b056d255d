"""Pseudonyms instead of patients' identifiers."""

from blake3 import blake3


def pseudonym(patient: str | None, key: bytes) -> str | None:
    """The pseudonym of a patient: 16 hexadecimal digits of the keyed hash (BLAKE3) of the id.

    Args:
        patient: PatientID; None if the file has none.
        key: 32 bytes.
    """
    return blake3(patient.encode(), key=key).hexdigest()[:16] if patient else None
