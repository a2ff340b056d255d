"""``index.csv`` of a folder of reports: what became of each file, which report is about it, and the
report's main results.

One row is about one volume of one file, or about a file without one. Two files of one image have
two rows about one report, and a later revision of the report changes both. Fr-PACS writes it,
``fr list`` reads labels from it.
"""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from common.domain.ecg_findings import EcgFindings
from common.domain.label_maps import LABEL_MAP_NAME
from common.domain.report import BrainReport
from common.domain.scan_key import scan_key

NAME = "index.csv"

ABOUT_FILE = ("file", "volume", "folder", "files")
"""The columns that say where the image came from; empty for a synthetic scan, and for a scan of an
earlier run whose file is not known. ``files`` counts the files of the volume."""

OUTCOME, REASON = "outcome", "reason"
"""What became of it (``common.domain.file_outcomes``), and why."""

ABOUT_REPORT: Mapping[str, str] = MappingProxyType(
    {
        "scan_id": "id of the scan",
        "pacs": "name of the Fr-PACS that sent it",
        "subject": "pseudonym of the person, if the file names one",
        "session": "label of the session, if the file's path has one (BIDS)",
        "role": "what the volume is for, such as diffusion, b1000, if the file says",
        "verdict": "pass, warn, or fail (no measurements are given)",
        "lesions": "number of lesions; empty if the analyzer did not look for them",
        "lesions_ml": "their volume, ml",
        "intracranial_ml": "volume inside the skull, ml",
        "brain_ml": "ml",
        "grey_matter_ml": "ml",
        "white_matter_ml": "ml",
        "csf_ml": "cerebrospinal fluid, ml",
        "head_ml": "ml",
        "analyzer": "name and version of the analyzer",
        "analysed_at": "time of the analysis, UTC",
        "revision": "of the report: 1, and one more each time the scan is analysed again",
        "problems": "the flags of the report's quality, separated by semicolons",
        "kind": "brain, ecg, or a kind that an analyzer brings",
        "duration_s": "length of a recording, s",
        "leads": "names of its leads, separated by semicolons",
        "zero_crossings": "of each lead, in their order, separated by semicolons",
        "beats": "number of heartbeats",
        "heart_rate_bpm": "mean, beats per minute",
    }
)
"""The columns that the report gives, with their meaning."""

REPORT = "report"
"""The column of the report files' name, without its suffix."""

COLUMNS = (*ABOUT_FILE[:2], OUTCOME, REASON, *ABOUT_REPORT, REPORT, *ABOUT_FILE[2:])

Row = dict[str, str]

_VOLUMES = ("intracranial", "brain", "grey_matter", "white_matter", "csf", "head")
_FORMULA = ("=", "+", "-", "@", "\t", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""A spreadsheet takes text that begins with one of these for a formula; the last four are the
full-width forms of the first four."""
_IN_CELL = re.compile(rf";(?=[{re.escape(''.join(_FORMULA))}])")
"""Where a cell begins that is a formula, if the table is read with semicolons between cells."""

_UNSAFE = re.compile(r"[^A-Za-z0-9.-]+|_+")
_SUFFIX = re.compile(r"\.(nii|dcm|ima|img|hdr|mgh|mgz|nrrd|gz|bz2|zst)$", re.IGNORECASE)
_SLICES = re.compile(r"^series of \d+ slices(, )?")
_NAME_LONGEST = 100
_MAP_SUFFIX = ".nii.gz"
_MAP = re.compile(LABEL_MAP_NAME)
_BETWEEN = "__"


def about_report(report: BrainReport) -> Row:
    """The columns that a report gives."""
    findings = report.findings
    lesions, volumes = findings.lesions, findings.volumes
    row = dict.fromkeys(ABOUT_REPORT, "")
    row |= {
        "scan_id": report.scan_id,
        "pacs": report.pacs,
        "subject": _text(report.subject),
        "session": _text(report.session),
        "role": _text(report.role),
        "verdict": str(findings.quality.verdict),
        "analyzer": _text(f"{report.analyzer.name} {report.analyzer.version}"),
        "analysed_at": f"{report.analysed_at:%Y-%m-%dT%H:%M:%SZ}",
        "revision": str(report.revision),
        "problems": "; ".join(findings.quality.flags),
    }
    if lesions is not None:
        row |= {"lesions": str(lesions.count), "lesions_ml": _number(lesions.volume_ml)}
    if volumes is not None:
        row |= {f"{name}_ml": _number(getattr(volumes, f"{name}_ml")) for name in _VOLUMES}
    return row | _about_recording(report)


def _about_recording(report: BrainReport) -> Row:
    findings, signal = report.findings, report.signal
    row = {"kind": findings.kind}
    if signal is not None:
        row["duration_s"] = _number(signal.duration_s(report.shape[0]))
        row["leads"] = _text("; ".join(signal.leads))
    if isinstance(findings, EcgFindings):
        counts = (one.zero_crossings for one in findings.crossings)
        row["zero_crossings"] = "; ".join("" if n is None else str(n) for n in counts)
        if (measures := findings.measures) is not None:
            row["heart_rate_bpm"] = _number(measures.heart_rate_bpm.value)
            row["beats"] = "" if measures.peaks is None else str(measures.peaks.count)
    return row


def about_file(file: str, volume: str, folder: str, files: int = 1) -> Row:
    """The columns that say where an image came from.

    Args:
        file: its path, relative to ``folder``; printable.
        volume: which of the volumes in it; empty if it has one.
        folder: SOURCE, or the folder of it.
        files: how many files hold the volume.
    """
    # "./" changes nothing about a path, and no spreadsheet takes it for a formula.
    safe = f"./{file}" if file.startswith(_FORMULA) else file
    count = str(files) if file else ""
    return {"file": safe, "volume": _text(volume), "folder": folder, "files": count}


def about_outcome(outcome: str, reason: str) -> Row:
    """The columns that say what became of a file."""
    return {OUTCOME: outcome, REASON: _text(reason)}


def path_of(row: Mapping[str, str]) -> str:
    """The absolute path of a row's file; empty if it has none."""
    file = row.get("file", "").removeprefix("./")
    return f"{row.get('folder', '')}/{file}" if file else ""


def row_key(row: Mapping[str, str]) -> tuple[str, str]:
    """What identifies a row: the file and the volume; the scan alone if the file is not known."""
    if not row.get("file"):
        return "", scan_key(row.get("scan_id", ""), row.get("pacs", ""))
    return path_of(row), which(row.get("volume", ""))


def which(volume: str) -> str:
    """A volume without the number of its slices: with one more it is the same, in a new state."""
    return _SLICES.sub("", volume)


def label_of(row: Mapping[str, str]) -> str:
    """How a row names the image to people, as the log does; empty if it names no file."""
    file, volume = row.get("file", "").removeprefix("./"), row.get("volume", "")
    if not file or not volume:
        return file
    return f"{file} [{volume}]" if volume.startswith("volume ") else f"{file} ({volume})"


def files_name(scan_id: str, row: Mapping[str, str] | None) -> str:
    """The name of a report's files, without suffix: after its input, and with the id, so that no
    two scans share one.

    Args:
        scan_id: of the scan.
        row: about its file; None if it has none.
    """
    if row is None or not row.get("file"):
        return scan_id
    stem = row["file"].removeprefix("./")
    while (shorter := _SUFFIX.sub("", stem)) != stem:
        stem = shorter
    words = (_UNSAFE.sub("_", part).strip("_.-") for part in (stem, which(row.get("volume", ""))))
    name = "_".join(filter(None, words))
    return f"{name[-_NAME_LONGEST:].lstrip('_.-') or 'scan'}{_BETWEEN}{scan_id}"


def scan_id_in(name: str) -> str:
    """The id in the name of a report's files; also in those of earlier releases, which are the id
    alone."""
    before, between, scan_id = name.partition(_BETWEEN)
    return scan_id if between else before


def map_file(name: str, label_map: str) -> str:
    """The file of a label map beside the report's files of this name."""
    return f"{name}.{label_map}{_MAP_SUFFIX}"


def map_in(file: str) -> tuple[str, str] | None:
    """The name of a report's files and the label map that a file's name says; None if it is no file
    of a label map."""
    name, _, label_map = file.removesuffix(_MAP_SUFFIX).rpartition(".")
    is_map = file.endswith(_MAP_SUFFIX) and name and _MAP.fullmatch(label_map)
    return (name, label_map) if is_map else None


def is_index(columns: Iterable[str]) -> bool:
    """Whether a table with these columns is an index of reports."""
    return {"file", "volume", "scan_id"} <= set(columns)


def _text(text: str | None) -> str:
    text = _IN_CELL.sub("; ", text or "")
    return f"'{text}" if text.startswith(_FORMULA) else text


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}" if value < 1000 else f"{value:.0f}"
