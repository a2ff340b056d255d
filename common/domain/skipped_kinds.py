"""What is skipped because it is no scan, by kind: the words of tables, ledgers and summaries."""

SKIPPED_KINDS: dict[str, tuple[str, str]] = {
    # objects of DICOM
    "structured_report": ("structured report", "structured reports"),
    "key_objects": ("key object selection", "key object selections"),
    "presentation_state": ("presentation state", "presentation states"),
    "encapsulated_document": ("encapsulated document", "encapsulated documents"),
    "waveform": ("waveform", "waveforms"),
    "raw_data": ("raw data object", "raw data objects"),
    "spectroscopy": ("spectroscopy object", "spectroscopy objects"),
    "registration": ("registration", "registrations"),
    "segmentation": ("segmentation", "segmentations"),
    "parametric_map": ("parametric map", "parametric maps"),
    "radiotherapy": ("radiotherapy object", "radiotherapy objects"),
    "secondary_capture": ("secondary capture", "secondary captures"),
    "photograph": ("photograph or video", "photographs and videos"),
    "colour_image": ("colour image", "colour images"),
    "ultrasound": ("ultrasound image", "ultrasound images"),
    "x_ray": ("projection X-ray image", "projection X-ray images"),
    "projection": ("projection of nuclear medicine", "projections of nuclear medicine"),
    "ophthalmic": ("ophthalmic object", "ophthalmic objects"),
    "protocol": ("protocol", "protocols"),
    "dicomdir": ("DICOMDIR", "DICOMDIR files"),
    "other_object": ("DICOM object without an image", "DICOM objects without an image"),
    # parts of a DICOM series
    "copy": ("copy of a slice", "copies of slices"),
    "damaged_copy": ("damaged copy of a slice", "damaged copies of slices"),
    "repeat": ("slice that was acquired again", "slices that were acquired again"),
    "stray": ("slice that strayed into a series", "slices that strayed into a series"),
    # volumes by their role, which VOLUMES omits
    "localizer": ("localizer", "localizers"),
    "diffusion": ("diffusion volume", "diffusion volumes"),
    "perfusion": ("perfusion volume", "perfusion volumes"),
    "functional": ("functional volume", "functional volumes"),
    "dynamic": ("volume of a time series", "volumes of time series"),
    "phase": ("phase image", "phase images"),
    "complex": ("real or imaginary image", "real and imaginary images"),
    "fieldmap": ("field map", "field maps"),
    "derived": ("derived image", "derived images"),
    "anatomical": ("anatomical volume", "anatomical volumes"),
    "unclassified": ("volume of no stated kind", "volumes of no stated kind"),
    # other files
    "sidecar": ("sidecar", "sidecars"),
    "pair": ("second half of a .hdr/.img pair", "second halves of .hdr/.img pairs"),
    "segment": ("segment of a recording", "segments of recordings"),
    "signals": ("signal file of a recording", "signal files of recordings"),
    "biosignal": ("recording of other signals", "recordings of other signals"),
    "surface": ("surface or tract file", "surface and tract files"),
    "picture": ("picture", "pictures"),
    "video": ("film or sound", "films and sounds"),
    "document": ("document", "documents"),
    "program": ("program", "programs"),
    "text": ("text file", "text files"),
    "archive": ("archive without a scan", "archives without a scan"),
    "system": ("file of the operating system", "files of the operating system"),
    "hidden": ("hidden file or folder", "hidden files and folders"),
    "empty": ("empty file", "empty files"),
    "other": ("file of another kind", "files of other kinds"),
}
"""Each kind in the singular and the plural, as people read it."""


SLICES = ("copy", "damaged_copy", "repeat", "stray")
"""Slices of a series that are not in its volumes."""

PARTS = ("copy", "repeat", "stray")
"""What may be a part of a file whose other parts are sent."""


def place(kind: str) -> int:
    """Where a kind comes in lists."""
    known = list(SKIPPED_KINDS)
    return known.index(kind) if kind in SKIPPED_KINDS else len(known)


def counted(kind: str, count: int) -> str:
    """How many files of a kind, in words, such as ``3 structured reports``."""
    return f"{count:,} {_words(kind)[count != 1]}"


def singular(kind: str) -> str:
    """One file of a kind, such as ``structured report``."""
    return _words(kind)[0]


def plural(kind: str) -> str:
    """Several files of a kind, such as ``structured reports``."""
    return _words(kind)[1]


def named(kind: str) -> str:
    """One file of a kind, with its article, such as ``a structured report``."""
    one = singular(kind)
    article = "an" if one[:1] in "aeio" or one.startswith("ultra") else "a"
    return f"{article} {one}"


def _words(kind: str) -> tuple[str, str]:
    name = kind.replace("_", " ")  # of another release
    return SKIPPED_KINDS.get(kind, (name, name))
