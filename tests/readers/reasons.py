"""Why another reader may be better with an input, and where ours is although both read it."""

from tests.readers.verdicts import Row, Verdict

REASONS: dict[str, str] = {
    "a radiotherapy object": "doses and images for radiotherapy are not scans of a brain",
    "a secondary capture": "screenshots and photographs of films are not scans",
    "a segmentation": "labels are not intensities",
    "projection X-ray image": "projections are not volumes",
    "PALETTE COLOR": "colours of a palette are not intensities",
    "slice missing": "dcm2niix invents the content of missing slices; Fr refuses the series",
}
"""By a part of what Fr says of an input. The README of ``common/formats`` has them too."""

OURS: dict[str, str] = {
    **dict.fromkeys(
        ("nibabel 0.dcm", "nibabel 1.dcm"),
        "a mosaic whose tiles were cut off; dcm2niix makes 36 x 36 voxels out of 128 x 128",
    ),
    "pydicom J2K_pixelrep_mismatch.dcm": (
        "the header says signed, as CT is; dcm2niix reads -2000 as 6192"
    ),
    "pydicom 98892001/CT2N": "dcm2niix stacks a frontal and a lateral scout into one volume",
}
"""Test files that both read, and Fr as the standard has it."""


def reason_for(row: Row) -> str | None:
    """Why the other reader is better here; None if nobody has said."""
    return next((why for part, why in REASONS.items() if part in row.said), None)


def judged(name: str, verdict: Verdict) -> Verdict:
    """The verdict, corrected for the files in ``OURS``."""
    return Verdict.OURS if verdict is Verdict.THEIRS and name in OURS else verdict
