"""Which format an ECG file has, and opening it."""

from collections.abc import Callable
from enum import StrEnum

from common.formats.ecg.aecg import is_aecg
from common.formats.ecg.members import EcgPath
from common.formats.ecg.recording import Opened
from common.formats.ecg.scp import is_scp
from common.formats.ecg.text import is_json_ecg


class EcgFormat(StrEnum):
    """How an ECG is written."""

    WFDB = "wfdb"
    JSON = "json"
    CSV = "csv"
    EDF = "edf"
    """Or EDF+ or BDF, which are read alike."""
    DICOM = "dicom"
    AECG = "aecg"
    SCP = "scp"


_EDF_VERSION = b"0" + b" " * 7
_BDF_VERSION = b"\xffBIOSEMI"
_EDF_BYTES = 256


def ecg_format(head: bytes, name: str, *, alone: bool) -> EcgFormat | None:
    """The format of a file that may be an ECG by its first bytes and its name; None: it is none.

    JSON, CSV and XML are ECGs where the user has named the file, or it is called ``….ecg.json``
    and so on: a folder has many others, such as sidecars. DICOM has a reader that recognises it.

    Args:
        head: the first bytes.
        name: of the file.
        alone: the user named the file itself.
    """
    low = name.lower()
    if low.endswith(".hea"):
        return EcgFormat.WFDB
    if head.startswith((_EDF_VERSION, _BDF_VERSION)) and len(head) >= _EDF_BYTES:
        return EcgFormat.EDF
    if is_scp(head):
        return EcgFormat.SCP
    if low.endswith(".ecg.json") or (alone and low.endswith(".json") and is_json_ecg(head)):
        return EcgFormat.JSON
    if low.endswith(".ecg.csv") or (alone and low.endswith(".csv")):
        return EcgFormat.CSV
    if is_aecg(head) and (alone or low.endswith(".ecg.xml")):
        return EcgFormat.AECG
    return None


def open_ecg(path: EcgPath, form: EcgFormat) -> Opened:
    """Open an ECG.

    Raises:
        SourceError: it cannot become a scan.
        NotAScan: it has no ECG, but other signals.
    """
    return _OPENERS[form](path)


def _wfdb(path: EcgPath) -> Opened:
    from common.formats.ecg.wfdb import open_wfdb

    return open_wfdb(path)


def _json(path: EcgPath) -> Opened:
    from common.formats.ecg.text import open_json

    return open_json(path)


def _csv(path: EcgPath) -> Opened:
    from common.formats.ecg.text import open_csv

    return open_csv(path)


def _edf(path: EcgPath) -> Opened:
    from common.formats.ecg.edf import open_edf

    return open_edf(path)


def _dicom(path: EcgPath) -> Opened:
    from common.formats.ecg.dicom_waveform import open_dicom

    return open_dicom(path)


def _aecg(path: EcgPath) -> Opened:
    from common.formats.ecg.aecg import open_aecg

    return open_aecg(path)


def _scp(path: EcgPath) -> Opened:
    from common.formats.ecg.scp import open_scp

    return open_scp(path)


_OPENERS: dict[EcgFormat, Callable[[EcgPath], Opened]] = {
    EcgFormat.WFDB: _wfdb,
    EcgFormat.JSON: _json,
    EcgFormat.CSV: _csv,
    EcgFormat.EDF: _edf,
    EcgFormat.DICOM: _dicom,
    EcgFormat.AECG: _aecg,
    EcgFormat.SCP: _scp,
}
