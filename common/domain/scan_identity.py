"""What makes a scan what it is: the id that a sender derives from an image.

The same image gets the same id, whenever and from wherever it is sent again, so a repeated or
resumed run adds nothing. The id depends on the sender, the patient whom the file names, the voxels
and where they lie; never on a path, the time of a file, the run, or identifiers that an archive
may rewrite.
"""

from blake3 import blake3

from common.domain.affine import Affine

SCAN_ID_DIGITS = 32
"""128 bits: among 10^12 images, two share an id with a probability of 10^-15."""

MATRIX_STEP = 1e-4
ORIGIN_STEP_MM = 1e-3
"""How the affine is rounded: mm per voxel, and mm.

Exports differ by rounding: a NIfTI sform is float32 (an error of 1e-5 mm in an origin, and 1e-7 in
a direction), and a decimal string of DICOM has 16 characters. Such noise is a hundredth of a step
or less, so it rarely crosses one. Over 512 voxels a step moves a voxel by 0.05 mm, less than any
registration or voxel, so geometries that differ in truth have different ids."""

_FORM = b"Fr scan id 1"


def rounded(affine: Affine | None) -> tuple[int, ...] | None:
    """The affine as whole numbers of steps, row by row; None without one."""
    if affine is None:
        return None
    return tuple(
        round(value / (ORIGIN_STEP_MM if column == 3 else MATRIX_STEP))
        for row in affine
        for column, value in enumerate(row)
    )


def derived_scan_id(
    key: bytes,
    *,
    pacs: str,
    patient: str | None,
    voxels_hash: str,
    shape: tuple[int, ...],
    dtype: str,
    affine: Affine | None,
    signal: tuple[object, ...] | None = None,
) -> str:
    """The id of an image or a signal: 32 hexadecimal digits of a keyed BLAKE3 hash.

    Keyed, because whoever has an image could otherwise recognise whose scan an id names.

    Args:
        key: 32 bytes, which never change.
        pacs: name of the Fr-PACS that sends the scan.
        patient: what stands for the patient whom the file names, or None; not the pseudonym, whose
            key may be rotated.
        voxels_hash: BLAKE3 of the voxels, hexadecimal.
        shape: voxels along each axis.
        dtype: of a voxel.
        affine: voxel indices to mm, RAS+; None if the position is unknown.
        signal: what the samples of a signal mean (``Signal.content``); None of an image.
    """
    steps = rounded(affine)
    parts = [
        _FORM,
        pacs.encode(),
        b"" if patient is None else b"=" + patient.encode(),
        voxels_hash.encode(),
        ",".join(map(str, shape)).encode(),
        dtype.encode(),
        b"" if steps is None else ",".join(map(str, steps)).encode(),
    ]
    if signal is not None:  # images keep the ids that they have
        parts.append(repr(signal).encode())
    # With their lengths, or a byte could move from one part to the next.
    text = b"".join(len(part).to_bytes(4, "little") + part for part in parts)
    return blake3(text, key=key).hexdigest()[:SCAN_ID_DIGITS]
