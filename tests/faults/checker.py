"""Accounts for each scan: acknowledged, stored, reported, delivered. Pure: evidence in,
violations out."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from common.domain.states import PURGED
from common.store.endings import NO_ANSWER
from tests.faults.deliveries import Delivery
from tests.faults.evidence import Completion, LedgerRecord, Stored
from tests.faults.truth import Truth

DONE, ERROR = "Done", "Error"


class Kind(StrEnum):
    """What must never be."""

    # Acknowledged, and not in the store, or not with the voxels that were acknowledged.
    LOST = "lost"
    # It is 'Done' without a report, or its report is marked as sent but did not arrive.
    REPORT_LOST = "report lost"
    # Nothing is wrong with it, and after healing and a long wait it has not arrived.
    STUCK = "stuck"
    # Nobody sent it, or nothing that was sent explains it.
    UNEXPECTED = "unexpected"
    # An effect that there were two of.
    DUPLICATE = "duplicate"
    # Who had lost a claim changed something.
    STALE = "stale write accepted"
    # Acknowledged while nothing could be made durable.
    FALSE_ACK = "false acknowledgement"
    # A scan or a report whose content is not that of the scan that was sent.
    CONTENT = "other content"
    # Acknowledged, and the audit trail does not say that it was received.
    UNRECORDED = "not in the audit trail"
    # A unit used more memory, connections or tries than its settings allow.
    EXCESS = "more than allowed"


@dataclass(frozen=True, slots=True, order=True)
class Violation:
    """One of them, of one scan (or of a unit, where it concerns no scan)."""

    kind: Kind
    subject: str
    detail: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.subject}: {self.detail}"


@dataclass(frozen=True)
class Window:
    """A time in which nothing could be made durable: what was sent in it and acknowledged in it was
    acknowledged falsely. What was sent before may have become durable before."""

    start: datetime
    end: datetime
    why: str


@dataclass(frozen=True)
class Expected:
    """What faults are meant to leave behind."""

    errors: frozenset[str] = frozenset()
    """Scans that are to be 'Error': poisoned, or their chunks were damaged."""
    damaged: frozenset[str] = frozenset()
    """Scans whose stored voxels a fault has changed."""
    foreign: frozenset[str] = frozenset()
    """Scans that a fault sent itself, so no ledger has them."""
    delivered_before: frozenset[str] = frozenset()
    """Foreign scans whose reports were delivered before the run, so no ledger has those either."""
    no_acks: tuple[Window, ...] = ()


@dataclass(frozen=True)
class Content:
    """What scans truly hold, computed apart from the units, and the reports that arrived."""

    truths: Mapping[str, Truth]
    deliveries: Iterable[Delivery] = ()


@dataclass(frozen=True)
class Counts:
    """How many scans got how far."""

    sent: int
    acknowledged: int
    stored: int
    done: int
    errors: int
    reports: int
    delivered: int


def check(
    ledgers: Sequence[LedgerRecord],
    stored: Stored,
    completions: Iterable[Completion],
    expected: Expected,
    *,
    drained: bool,
    later: Sequence[LedgerRecord] | None = None,
    content: Content | None = None,
    received: Set[str] | None = None,
) -> list[Violation]:
    """All violations.

    Args:
        ledgers: one for each Fr-PACS, read before ``stored``.
        stored: the store.
        completions: the answers that processors got.
        expected: what the faults meant to leave.
        drained: whether everything had the time to arrive: then what has not is stuck.
        later: of each Fr-PACS, read after ``stored``, where units were running meanwhile.
        content: the truth of the scans, and what arrived of them; None: contents are not compared.
        received: scans that the audit trail says were received; None: not compared.
    """
    later = ledgers if later is None else later
    found = [
        *_acknowledged(ledgers, stored, expected),
        *_stored(later, stored, expected, drained=drained),
        *_delivered(ledgers, stored, later, expected),
        *_stale(stored, completions),
        *_false_acks(ledgers, expected),
    ]
    if content is not None:
        found += _contents(ledgers, stored, content)
    if received is not None:
        found += _unrecorded(ledgers, received)
    if drained:
        found += _stuck(ledgers, stored, expected)
    return sorted(found)


def count(ledgers: Sequence[LedgerRecord], stored: Stored) -> Counts:
    """How many scans got how far."""
    states = Counter(scan.state for scan in stored.scans.values())
    return Counts(
        sent=sum(len(one.sent) for one in ledgers),
        acknowledged=sum(len(one.acknowledged) for one in ledgers),
        stored=len(stored.scans),
        done=states[DONE],
        errors=states[ERROR],
        reports=len(stored.reports),
        delivered=sum(len(one.reported) for one in ledgers),
    )


def _acknowledged(
    ledgers: Sequence[LedgerRecord], stored: Stored, expected: Expected
) -> Iterator[Violation]:
    for one in ledgers:
        for scan_id in one.acknowledged:
            scan = stored.scans.get(scan_id)
            if scan is None:
                yield Violation(Kind.LOST, scan_id, f"{one.pacs} has its acknowledgement")
            elif scan.pacs != one.pacs:
                yield Violation(Kind.UNEXPECTED, scan_id, f"stored as {scan.pacs}'s")
            elif not scan.intact and scan_id not in expected.damaged:
                yield Violation(Kind.LOST, scan_id, "its voxels are not what was acknowledged")


def _stored(
    ledgers: Sequence[LedgerRecord], stored: Stored, expected: Expected, *, drained: bool
) -> Iterator[Violation]:
    sent = set().union(expected.foreign, *(one.sent for one in ledgers))
    for scan_id, scan in stored.scans.items():
        if scan_id not in sent:
            yield Violation(Kind.UNEXPECTED, scan_id, "stored, and nobody sent it")
        if scan.state == DONE and scan_id not in stored.reports:
            yield Violation(Kind.REPORT_LOST, scan_id, "'Done' without a report")
        # Kills use up attempts. What they have failed is requeued before the end.
        killed = scan.cause == NO_ANSWER and not drained
        if scan.state == ERROR and scan_id not in expected.errors and not killed:
            yield Violation(Kind.UNEXPECTED, scan_id, f"'Error': {scan.cause}")
        if scan.state == DONE and scan_id in expected.errors:
            yield Violation(Kind.UNEXPECTED, scan_id, "'Done', it should have become 'Error'")
    for scan_id, report in stored.reports.items():
        found = stored.scans.get(scan_id)
        if found is None:
            yield Violation(Kind.UNEXPECTED, scan_id, "a report without its scan")
        elif report.voxels_hash != found.voxels_hash:
            yield Violation(Kind.UNEXPECTED, scan_id, "a report on other voxels")
        elif found.state == ERROR and scan_id in expected.errors:
            yield Violation(Kind.UNEXPECTED, scan_id, "'Error', and it has a report")


def _delivered(
    ledgers: Sequence[LedgerRecord],
    stored: Stored,
    later: Sequence[LedgerRecord],
    expected: Expected,
) -> Iterator[Violation]:
    by_pacs = {one.pacs: one for one in later}
    for one in ledgers:
        for scan_id, times in one.reported.items():
            if times > 1:
                yield Violation(Kind.DUPLICATE, scan_id, f"{times} reports were news to {one.pacs}")
            if scan_id not in one.sent and scan_id not in expected.foreign:
                yield Violation(Kind.UNEXPECTED, scan_id, f"its report came to {one.pacs}")
            scan = stored.scans.get(scan_id)
            purged = scan is not None and scan.state == PURGED
            if scan_id not in stored.reports and not purged:
                yield Violation(Kind.REPORT_LOST, scan_id, "delivered, and not in the store")
    for scan_id, report in stored.reports.items():
        receiver = by_pacs.get(report.pacs)
        if scan_id in expected.delivered_before:
            continue
        if report.sent and receiver is not None and scan_id not in receiver.reported:
            yield Violation(Kind.REPORT_LOST, scan_id, f"marked as sent, {report.pacs} has it not")


def _stale(stored: Stored, completions: Iterable[Completion]) -> Iterator[Violation]:
    accepted: dict[tuple[str, int], set[tuple[str, int]]] = defaultdict(set)
    for one in completions:
        if one.accepted:
            accepted[one.scan_id, one.revision].add((one.owner, one.fence))
    for (scan_id, revision), claims in accepted.items():
        scan = stored.scans.get(scan_id)
        if len(claims) > 1:
            yield Violation(Kind.STALE, scan_id, f"completed under {len(claims)} claims")
            continue
        last = scan is not None and scan.state == DONE and scan.revision == revision
        if scan is not None and last and (scan.owner, scan.fence) not in claims:
            yield Violation(Kind.STALE, scan_id, "completed under a claim that was lost")


def _false_acks(ledgers: Sequence[LedgerRecord], expected: Expected) -> Iterator[Violation]:
    for window in expected.no_acks:
        for one in ledgers:
            for scan_id, at in one.acknowledged.items():
                sent = one.sent.get(scan_id)
                if sent is not None and window.start < sent <= at < window.end:
                    yield Violation(Kind.FALSE_ACK, scan_id, f"acknowledged while {window.why}")


def _contents(
    ledgers: Sequence[LedgerRecord], stored: Stored, content: Content
) -> Iterator[Violation]:
    """In the store and as delivered: voxels, and what was found in them."""
    truths = content.truths
    for one in ledgers:
        for scan_id in one.acknowledged.keys() - truths.keys():
            yield Violation(Kind.CONTENT, scan_id, f"no source of {one.pacs} made it")
    for scan_id, scan in stored.scans.items():
        truth = truths.get(scan_id)
        if truth is not None and scan.voxels_hash != truth.voxels_hash:
            yield Violation(Kind.CONTENT, scan_id, "stored with other voxels than those sent")
    for scan_id, report in stored.reports.items():
        wrong = _wrong(truths.get(scan_id), report.voxels_hash, report.findings)
        if wrong:
            yield Violation(Kind.CONTENT, scan_id, f"its stored report {wrong}")
    for delivery in content.deliveries:
        truth = truths.get(delivery.scan_id)
        wrong = _wrong(truth, delivery.voxels_hash, delivery.findings)
        if wrong:
            yield Violation(
                Kind.CONTENT, delivery.scan_id, f"its report at {delivery.pacs} {wrong}"
            )


def _wrong(truth: Truth | None, voxels_hash: str, findings: str) -> str:
    """What is wrong with a report; '' where nothing is, or nothing is known."""
    if truth is None:
        return ""
    if voxels_hash != truth.voxels_hash:
        return "is about other voxels"
    if truth.findings is not None and findings != truth.findings:
        return f"says {findings}; its voxels give {truth.findings}"
    return ""


def _unrecorded(ledgers: Sequence[LedgerRecord], received: Set[str]) -> Iterator[Violation]:
    for one in ledgers:
        for scan_id in one.acknowledged.keys() - received:
            yield Violation(Kind.UNRECORDED, scan_id, f"{one.pacs} has its acknowledgement")


def _stuck(
    ledgers: Sequence[LedgerRecord], stored: Stored, expected: Expected
) -> Iterator[Violation]:
    for one in ledgers:
        for scan_id in one.acknowledged:
            scan = stored.scans.get(scan_id)
            if scan is None or scan_id in expected.errors or scan.state == ERROR:
                continue
            if scan.state not in (DONE, PURGED):
                yield Violation(Kind.STUCK, scan_id, f"it is still {scan.state!r}")
            elif scan_id not in one.reported:
                yield Violation(Kind.STUCK, scan_id, f"its report is not with {one.pacs}")
    for scan_id in expected.errors:
        scan = stored.scans.get(scan_id)
        if scan is not None and scan.state not in (ERROR, DONE):
            yield Violation(Kind.STUCK, scan_id, f"it should be 'Error' and is {scan.state!r}")
