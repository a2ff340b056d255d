"""A scan with its header and the main results of its report, as the API shows it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import ValidationError

from common.domain.scan import BrainScan
from common.domain.types import Document
from common.store.claim_documents import CHOSEN
from common.store.connection import BY_ID, Connection
from common.store.damage import find
from common.store.error_mapping import translated
from common.store.scan_list import FIELDS, REPORT_FIELDS, ListedScan, listed_scan

SCAN_FACTS: Document = dict.fromkeys((*FIELDS, CHOSEN, "voxels_gone_at", "renamed"), 1)
"""The fields of a stored scan that are read: not its voxels."""

_REPORT_FACTS: Document = dict.fromkeys(
    (
        *(*REPORT_FIELDS, "report.findings.lesions.volume_ml"),
        *("report.findings.measures.heart_rate_bpm.value", "labels.maps.name"),
        "report.findings.parameters.contrast",
    ),
    1,
)

ReadAs = Literal["flair", "t1"]
"""The contrast that an analyzer read an image as, whatever its header says."""


@dataclass(frozen=True, slots=True)
class ScanFacts:
    """A scan. What is not stored, or damaged, is None."""

    listed: ListedScan
    header: BrainScan | None
    lesion_volume_ml: float | None
    heart_rate_bpm: float | None
    read_as: ReadAs | None
    labels: tuple[str, ...]
    """Names of the report's label maps."""
    document: Document
    """The fields ``SCAN_FACTS`` of the stored scan."""


class FactsReader:
    """Reads what else belongs to scans that were found."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def of(self, documents: Sequence[Document]) -> list[ScanFacts]:
        """The facts of these scans, in their order.

        Args:
            documents: the fields ``SCAN_FACTS`` of each.
        """
        reports = self._reports([d["_id"] for d in documents])
        return [_facts(document, reports.get(document["_id"])) for document in documents]

    @translated
    def _reports(self, keys: Iterable[str]) -> dict[str, Document]:
        wanted = {"_id": {"$in": list(keys)}}
        found = find(self._db.reports, wanted, _REPORT_FACTS, hint=BY_ID)
        return {document["_id"]: document for document in found}


def _facts(document: Document, report: Document | None) -> ScanFacts:
    try:
        header = BrainScan.stored(document.get("scan"))
    except ValidationError:
        header = None
    return ScanFacts(
        listed=listed_scan(document, report),
        header=header,
        lesion_volume_ml=_number(report, "lesions", "volume_ml"),
        heart_rate_bpm=_number(report, "measures", "heart_rate_bpm", "value"),
        read_as=_read_as(report),
        labels=_label_maps(report),
        document=document,
    )


def _finding(report: Document | None, *path: str) -> object:
    """A value among the findings of a report."""
    found: object = report
    for name in ("report", "findings", *path):
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _read_as(report: Document | None) -> ReadAs | None:
    match _finding(report, "parameters", "contrast"):
        case "flair":
            return "flair"
        case "t1":
            return "t1"
    return None


def _number(report: Document | None, *path: str) -> float | None:
    """A number among the findings of a report."""
    found = _finding(report, *path)
    is_number = isinstance(found, int | float) and not isinstance(found, bool)
    return float(found) if is_number else None  # type: ignore[arg-type]


def _label_maps(report: Document | None) -> tuple[str, ...]:
    labels = None if report is None else report.get("labels")
    maps = labels.get("maps") if isinstance(labels, dict) else None
    listed = maps if isinstance(maps, list) else []
    names = [one.get("name") for one in listed if isinstance(one, dict)]
    return tuple(name for name in names if isinstance(name, str))
