"""What a DICOM object is, by its SOP class (PS3.4 annex B.5; the UIDs are in PS3.6 annex A)."""

from common.domain.skipped_kinds import SKIPPED_KINDS

_STORAGE = "1.2.840.10008.5.1.4.1.1."

_KINDS = {
    "1.2.840.10008.1.3.10": "dicomdir",
    **{
        _STORAGE + below: kind
        for kind, classes in {
            "structured_report": ("88",),
            "key_objects": ("88.59",),
            # curves, overlays and tables of their own: PS3.3 of 2004, retired
            "presentation_state": ("8", "10", "11"),
            "encapsulated_document": ("104",),
            "waveform": ("9", "129"),
            "raw_data": ("66",),
            "spectroscopy": ("4.2",),
            "registration": ("66.1", "66.2", "66.3"),
            "segmentation": ("66.4", "66.5", "66.7", "66.8"),
            "surface": ("66.6", "68"),
            "parametric_map": ("30", "67"),
            "radiotherapy": ("481",),
            "secondary_capture": ("7",),
            "photograph": ("77", "14"),
            "colour_image": ("4.3",),
            "ultrasound": ("3", "6"),
            "x_ray": ("1", "12", "13.1.3", "13.1.4", "13.1.5"),
            "ophthalmic": ("77.1.5", "78", "79", "80", "81", "82"),
            "protocol": ("131", "200", "201", "202"),
            "other_object": ("90", "91", "501", "601"),
        }.items()
        for below in classes
    },
    "1.2.840.10008.5.1.4.34": "radiotherapy",
    "1.2.840.10008.5.1.4.38": "protocol",
    "1.2.840.10008.5.1.4.39": "presentation_state",
    "1.2.840.10008.5.1.4.43": "other_object",
    "1.2.840.10008.5.1.4.44": "other_object",
    "1.2.840.10008.5.1.4.45": "other_object",
    # Siemens' CSA non-image storage: spectra, and reports of the scanner
    "1.3.12.2.1107.5.9.1": "raw_data",
}

_IMAGES = tuple(_STORAGE + below for below in ("2", "4", "5", "13.1", "20", "128", "130"))

PICTURES = frozenset(
    {"secondary_capture", "photograph", "ophthalmic", "ultrasound", "x_ray", "colour_image"}
)
"""Kinds that are images, but of no volume: sent only if their user names the one file."""

_MODALITIES = {
    "SR": "structured_report",
    "KO": "key_objects",
    "PR": "presentation_state",
    "DOC": "encapsulated_document",
    "REG": "registration",
    "FID": "registration",
    "SEG": "segmentation",
    **dict.fromkeys(("PLAN", "RTSTRUCT", "RTPLAN", "RTDOSE", "RTRECORD"), "radiotherapy"),
    **dict.fromkeys(("ECG", "EPS", "HD", "AU", "EEG", "EMG", "EOG", "RESP"), "waveform"),
}
"""Modalities of objects without an image, for files that lack a SOP class."""


def kind_of(sop_class: str, modality: str, *, has_rows: bool) -> str | None:
    """What an object is if it is no scan; None if it is, or should be, an image of CT, MR or PET.

    Args:
        sop_class: SOPClassUID, '' if there is none.
        modality: Modality, '' if there is none.
        has_rows: whether the object has an image, with rows and columns.
    """
    parts = sop_class.split(".")
    for end in range(len(parts), 4, -1):
        above = ".".join(parts[:end])
        if kind := _KINDS.get(above):
            return kind
        if above in _IMAGES:
            return None
    if has_rows:
        return None
    if not sop_class:
        return _MODALITIES.get(modality)
    return _MODALITIES.get(modality, "other_object")


assert set(_KINDS.values()) | set(_MODALITIES.values()) <= set(SKIPPED_KINDS)  # noqa: S101
