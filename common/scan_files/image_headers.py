"""The header of a scan from a file: its id, which is derived from the image, and its attributes."""

from datetime import UTC
from typing import Any

from common.domain.affine import Affine
from common.domain.scan import BrainScan, Signal
from common.domain.scan_identity import derived_scan_id
from common.formats.dicom.pseudonyms import pseudonym, uid_pseudonym
from common.formats.dicom.stack import Stack
from common.formats.ecg.recording import EcgFile
from common.formats.nifti.volumes import NiftiVolume
from common.formats.reading.questions import Image
from common.scan_files.bids import entities_of
from common.settings.identity_keys import IdentityKeys


def header_of(
    image: Image,
    pacs: str,
    keys: IdentityKeys,
    *,
    shape: tuple[int, ...],
    dtype: str,
    voxels_bytes: int,
    voxels_hash: str,
    affine: Affine | None,
) -> BrainScan:
    """The header of an image whose voxels were read.

    Args:
        image: what the file says of it.
        pacs: name of this Fr-PACS.
        keys: of ids and pseudonyms.
        shape: voxels along each axis.
        dtype: of a voxel.
        voxels_bytes: size of the voxels, bytes.
        voxels_hash: their BLAKE3.
        affine: voxel indices to mm, RAS+; None if the file has none.

    Raises:
        ValidationError: a scan cannot be like this.
    """
    patient = None if isinstance(image, NiftiVolume) else image.patient
    signal = _signal(image) if isinstance(image, EcgFile) else None
    scan_id = derived_scan_id(
        keys.scan_ids,
        pacs=pacs,
        patient=patient,
        voxels_hash=voxels_hash,
        shape=shape,
        dtype=dtype,
        affine=affine,
        signal=None if signal is None else signal.content,
    )
    fields: dict[str, Any] = {
        "scan_id": scan_id,
        "pacs": pacs,
        "scan_type": "volume" if signal is None else "ecg",
        "signal": signal,
        "shape": shape,
        "dtype": dtype,
        "voxels_bytes": voxels_bytes,
        "voxels_hash": voxels_hash,
        "affine": affine,
    }
    return BrainScan(**fields, **_about(image, keys.pseudonyms))


def _about(image: Image, key: bytes) -> dict[str, Any]:
    if isinstance(image, EcgFile):
        return _ecg(image, key)
    return _dicom(image, key) if isinstance(image, Stack) else _nifti(image, key)


def _signal(image: EcgFile) -> Signal:
    recording = image.recording
    return Signal(
        sampling_rate_hz=recording.sampling_rate_hz,
        leads=recording.leads,
        units="mV",
        gains=recording.gains,
        filters=recording.filters,
    )


def _ecg(image: EcgFile, key: bytes) -> dict[str, Any]:
    entities = entities_of(image.path.absolute())
    recording, at = image.recording, image.recording.start
    session = entities.session
    if not entities.is_session_a_label:
        session = pseudonym(session, key)
    return {
        "subject": image.subject or pseudonym(entities.subject, key),
        "session": session,
        "modality": "ECG",
        "problems": recording.problems,
        "acquired_at": at if at is None or at.tzinfo else at.replace(tzinfo=UTC),
        "acquired_zone": recording.zone if at is not None else "utc",
    }


def _dicom(image: Stack, key: bytes) -> dict[str, Any]:
    attributes, first = image.attributes, image.slices[0]
    return {
        "subject": image.subject,
        "study": uid_pseudonym(attributes.study, "study", key),
        "series": uid_pseudonym(first.series, "series", key),
        "modality": attributes.modality,
        "contrast": attributes.contrast,
        "body_part": attributes.body_part,
        "role": None if image.role == "unclassified" else image.role,
        "problems": image.problems,
        "acquired_at": image.acquired_at,
        "acquired_zone": "utc" if attributes.is_zone_known or not image.acquired_at else "unknown",
    }


def _nifti(image: NiftiVolume, key: bytes) -> dict[str, Any]:
    entities = entities_of(image.path.absolute())
    session = entities.session
    if not entities.is_session_a_label:
        session = pseudonym(session, key)
    return {
        "subject": pseudonym(entities.subject, key),
        "session": session,
        "modality": None if entities.contrast is None else "MR",
        "contrast": entities.contrast,
        "problems": image.problems,
    }
