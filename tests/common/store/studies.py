"""Scans of a study with reports as the analyzer of volumes writes them."""

from typing import Any

import numpy as np

from common.domain.findings import Findings
from common.domain.label_maps import PackedMaps
from common.domain.report import AnalyzerId, BrainReport
from common.domain.scan import BrainScan
from common.domain.with_t1 import WithT1
from common.store.db_manager import DBManager
from common.store.documents import Claim, NewScan
from fr_brain.analyzers.base import LabelMap
from fr_brain.label_maps import pack_maps
from tests.factories import make_report, make_scan

STUDY = "0123456789abcdef"
BY = AnalyzerId(name="volume", version="10")
GRID = np.asfortranarray(np.arange(100, dtype=np.uint8).reshape(10, 10) % 3)
MAP = LabelMap("cells", {1: "one", 2: "two"}, GRID)


def scan_of(scan_id: str, **fields: Any) -> BrainScan:
    """A scan of sub-01's study."""
    return make_scan(scan_id=scan_id, **{"subject": "sub-01", "study": STUDY, **fields})[0]


def claimed(store: DBManager, scan_id: str, owner: str = "me", **fields: Any) -> Claim:
    """The same, stored and claimed."""
    scan = scan_of(scan_id, **fields)
    store.scans.add([NewScan(scan, bytes(range(100)))])
    return claim_of(store, scan.key, owner)


def claim_of(store: DBManager, key: str, owner: str = "me") -> Claim:
    """The claim of the one scan that waits."""
    [claim] = store.claims.claim(owner, 5, 60)
    assert claim.key == key
    return claim


def report_of(
    claim: Claim, contrast: str, t1_scan: str | None = None, **fields: Any
) -> BrainReport:
    """A report on a claimed scan, which may name a T1 scan."""
    report = make_report(
        claim.scan,
        subject=claim.scan.subject,
        study=claim.scan.study,
        revision=claim.revision,
        **{"analyzer": BY, **fields},
    )
    assert isinstance(report.findings, Findings)
    with_t1 = None if t1_scan is None else WithT1(t1_scan=t1_scan, t1_revision=1)
    findings = report.findings.model_copy(
        update={"parameters": {"contrast": contrast}, "with_t1": with_t1}
    )
    return report.model_copy(update={"findings": findings})


def maps_of(claim: Claim) -> dict[str, PackedMaps]:
    """Label maps of its scan, by its key."""
    packed = pack_maps([MAP], claim.scan)
    return {} if packed is None else {claim.key: packed}


def done(
    store: DBManager, scan_id: str, contrast: str, t1_scan: str | None = None, **fields: Any
) -> BrainScan:
    """A scan whose report and label maps are written, by a processor that pairs scans."""
    pair = fields.pop("pair", True)
    claim = claimed(store, scan_id, **fields)
    complete(store, claim, contrast, t1_scan, pair=pair)
    return claim.scan


def complete(
    store: DBManager, claim: Claim, contrast: str, t1_scan: str | None = None, **given: Any
) -> set[str]:
    """Complete a claim; the keys whose claims were lost."""
    report = report_of(claim, contrast, t1_scan)
    given = {"labels": maps_of(claim), "pair": True, **given}
    return store.claims.complete([(claim, report)], **given)
