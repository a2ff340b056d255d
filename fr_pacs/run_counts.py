"""The counts of one run: what became of each scan. Thread-safe, in bounded memory."""

import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from common.domain.file_outcomes import FileOutcome
from common.domain.skipped_kinds import PARTS, SLICES, counted, place
from common.domain.volume_roles import VOLUME_ROLES
from common.runtime.logger import RateLimitedLog
from common.runtime.run_totals import Copy, Latency, Totals
from common.scan_files.skipped_files import SkippedFiles
from fr_pacs.known_results import KnownResults
from fr_pacs.ledger import Ledger
from fr_pacs.run_failures import RunFailures
from fr_pacs.run_labels import RunLabels
from fr_pacs.sources.base import Account, Origin, Remembers, account_of_copy, files_field

LATENCIES_KEPT = 100_000
AWAITED_KEPT = 1_000_000
"""Scans remembered until their report arrives: an endless run without Fr-BRAIN must not fill the
memory."""
COPIES_KEPT = 200


class _SentScan(NamedTuple):
    label: str
    sent_at: float  # time.monotonic()


NO_REPORT = (
    "no report within REPORT_PATIENCE_S: the scan is safe at Fr-HUB; run the same SOURCE again to "
    "get its report"
)
NOT_WRITTEN = (
    "{}: the scan and its report are safe at Fr-HUB; free space or repair the folder, then run the "
    "same SOURCE again to get the report"
)
NOT_YET = "no report yet"
NOT_SENT = "not sent yet"
WHERE_IT_IS = "make list"


class RunCounter:
    """Counts scans from their first byte to their report, and records each step in the ledger.

    Args:
        total: scans of this run; None: endless.
        ledger: where each step is recorded.
        log: reports are logged at info, failures as warnings, acknowledgements at debug.
        reveal: puts the names of files into a text that holds their hashes (LABELS=hash), for the
            ledger and the summary.
        conceal: makes the label for the log out of a label in the ledger.
        failures: logs the failures; the default is ``log``.
    """

    def __init__(
        self,
        total: int | None,
        ledger: Ledger,
        log: RateLimitedLog,
        reveal: Callable[[str], str] = str,
        conceal: Callable[[str], str] = str,
        failures: RateLimitedLog | None = None,
    ) -> None:
        self._reveal = reveal
        self._remembers: Remembers | None = None
        self._account: Callable[[Account], None] = lambda _: None
        self._total = total
        self._ledger = ledger
        self._log = log
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._sent = self._acknowledged = self._delivered = self._earlier = 0
        self._interrupted = self._never_sent = self._copies = 0
        self._bytes = 0
        self._failures = RunFailures(failures or log, reveal)
        self._copied: list[Copy] = []
        self._skipped: dict[str, int] = {}
        self._awaited: OrderedDict[str, _SentScan] = OrderedDict()
        self._labels = RunLabels(ledger.labels, conceal)
        self._known = KnownResults(ledger)
        self._not_written: dict[str, str] = {}
        self._latencies: deque[float] = deque(maxlen=LATENCIES_KEPT)
        self._first: float | None = None
        self._last = 0.0
        self._exhausted = False

    def account_to(self, note: Callable[[Account], None]) -> None:
        """Have this called with what becomes of each file, but for its report."""
        self._account = note

    def remember(self, source: Remembers) -> None:
        """Tell this source what becomes of its scans, and ask it for labels of earlier runs."""
        self._remembers = source
        self._labels.ask(source.labels_of)

    def is_copy(self, scan_id: str, label: str, origin: Origin | None = None) -> bool:
        """Note under which label a scan was loaded; whether this run had it before, under another
        label. Then it is not sent again: one report is about both.

        Args:
            scan_id: of the scan, derived from the image.
            label: of the file and the volume in it.
            origin: the same, for the index of the reports.
        """
        what = self._reveal(label)
        with self._changed:
            if self._total is None:
                self._failures.withdraw(label)  # a watched file that had failed is whole now
            if self._total is None and self._labels.has(scan_id, label):
                return True  # a watched file was written again, and holds the same image
            first = self._labels.add(scan_id, label, origin)
            if first is None:
                return False
            first_origin = self._labels.first_origin_of(scan_id)
            self._copies += 1
            if len(self._copied) < COPIES_KEPT:
                self._copied.append(Copy(what=what, first=self._reveal(first), scan_id=scan_id))
            self._changed.notify_all()
        self._ledger.write("copy", [scan_id], label=what)
        self._log.info("the same image again", what=label, first=first, scan_id=scan_id)
        if origin is not None and first_origin is not None:
            self._account(account_of_copy(origin, first_origin, scan_id))
        return True

    def labels_of(self, scan_id: str) -> tuple[str, ...]:
        """All labels under which this run loaded a scan."""
        with self._lock:
            return self._labels.all_of(scan_id)

    def origins_of(self, scan_id: str) -> list[Origin]:
        """All volumes of files from which this run loaded a scan."""
        with self._lock:
            return self._labels.origins_of(scan_id)

    def _label_of(self, scan_id: str) -> str | None:
        """The label of a scan for the log, as far as it is known. With the lock held."""
        scan = self._awaited.get(scan_id)
        return self._labels.first_of(scan_id) if scan is None else scan.label

    def _names_of(self, scan_ids: Iterable[str]) -> dict[str, str]:
        """The labels of scans for the ledger. With the lock held."""
        known = ((scan_id, self._label_of(scan_id)) for scan_id in scan_ids)
        return {scan_id: self._reveal(label) for scan_id, label in known if label is not None}

    def awaited(self, scan_ids: Iterable[str]) -> list[str]:
        """Those of these scans whose reports have not arrived in this run."""
        with self._lock:
            return [scan_id for scan_id in scan_ids if scan_id in self._awaited]

    def skipped(self, files: SkippedFiles) -> None:
        """These files are no scans. Each is in the ledger; the log names a kind once a folder.

        Args:
            files: what the source skipped since the last call.
        """
        with self._lock:
            # Another volume, or another part of the file, may be sent.
            no_scans = (file for file in files if not file.detail and file.kind not in PARTS)
            self._labels.withdraw(origin for file in no_scans for origin in file.origins)
            total = Counter(self._skipped) + Counter(files.counts)
            self._skipped = {kind: total[kind] for kind in sorted(total, key=place)}
        for (folder, kind), count in files.by_folder.items():
            told = self._log.warning if kind == "damaged_copy" else self._log.info
            told(f"skipped {_what(kind)}", folder=folder, files=counted(kind, count))
        by_kind: dict[str, list[str]] = {}
        for file in files:
            label = self._reveal(file.label)
            more = files_field(label, file.origins)
            if file.detail or more:
                detail = {"detail": self._reveal(file.detail)} if file.detail else {}
                self._ledger.write("skipped", [label], {}, reason=file.kind, **detail, **more)
            else:
                by_kind.setdefault(file.kind, []).append(label)
        for kind, labels in by_kind.items():
            self._ledger.write("skipped", labels, reason=kind)
        for file in files:
            self._account(file.account(self._reveal))

    def found(self, origin: Origin) -> None:
        """A scan was found here, and is to be sent."""
        self._account(Account(FileOutcome.WAITING, NOT_SENT, (origin,)))

    def sent(self, labels: Mapping[str, str]) -> None:
        """The first bytes of these scans go out, for the first time.

        Args:
            labels: the label of each scan, by its id.
        """
        if not labels:
            return
        now = time.monotonic()
        with self._lock:
            self._sent += len(labels)
            self._first = self._first or now
            for scan_id, label in labels.items():
                self._awaited[scan_id] = _SentScan(label, now)
            while len(self._awaited) > AWAITED_KEPT:
                self._awaited.popitem(last=False)
        named = {scan_id: self._reveal(label) for scan_id, label in labels.items()}
        self._ledger.write("sent", list(labels), named)

    def acknowledged(self, scan_ids: Sequence[str], voxels_bytes: int) -> None:
        """Fr-HUB has stored these scans durably; ``voxels_bytes`` is the sum of their voxels."""
        with self._changed:
            self._acknowledged += len(scan_ids)
            self._bytes += voxels_bytes
            self._last = time.monotonic()
            named = self._names_of(scan_ids)
            self._changed.notify_all()
        self._ledger.write("acknowledged", scan_ids, named)
        if self._remembers is not None:
            self._remembers.stored(scan_ids)
        for scan_id in scan_ids:
            self._account_for(scan_id, FileOutcome.WAITING, NOT_YET)
        self._log.debug_each("scan acknowledged", scan_ids)

    def _account_for(self, scan_id: str, outcome: FileOutcome, reason: str) -> None:
        """Account for the file of a scan; its copies follow it."""
        if origins := self.origins_of(scan_id)[:1]:
            self._account(Account(outcome, self._reveal(reason), tuple(origins), scan_id))

    def failed(
        self,
        label: str,
        reason: str,
        scan_id: str | None = None,
        command: str | None = None,
        *,
        origins: Sequence[Origin] = (),
        outcome: FileOutcome = FileOutcome.REFUSED,
        for_good: bool = False,
    ) -> None:
        """A scan gets no report: unreadable, refused, not acknowledged, or no room for it.

        Args:
            label: names the scan to the user.
            reason: why, for the user.
            scan_id: its id if it was sent, or could have been.
            command: what helps, if a command does.
            origins: where it is, if it has no id.
            outcome: for the index of the reports.
            for_good: whether Fr-HUB will never take it.
        """
        what, why = self._reveal(label), self._reveal(reason)
        with self._changed:
            self._never_sent += scan_id is None
            if scan_id is not None:
                self._awaited.pop(scan_id, None)
            else:
                self._labels.withdraw(origins)
            self._failures.add(label, reason, scan_id, command)
            self._changed.notify_all()
        self._failures.tell(label, reason, scan_id, command)
        event = "refused" if scan_id else "failed"
        more = files_field(what, origins)
        self._ledger.write(event, [scan_id or what], {scan_id or what: what}, reason=why, **more)
        if scan_id is not None:
            self._account_for(scan_id, outcome, reason)
        elif origins:
            self._account(Account(outcome, why, tuple(origins)))
        if self._remembers is not None and scan_id is not None:
            with self._lock:
                self._labels.forget(scan_id)  # whoever brings it again tries again
            # After that: a copy that comes in between is sent, so it gets a separate answer.
            self._remembers.refused(scan_id, why, for_good=for_good)

    def failed_for_good(self, scan_id: str, cause: str) -> bool:
        """Fr-HUB says that the analysis of this scan failed for good. Its report is awaited no
        longer; if somebody requeues the scan, one may still come. The failure of a scan that an
        earlier run sent is recorded and logged, but not counted.

        Args:
            scan_id: of the scan.
            cause: why, for the user.

        Returns:
            Whether the report of this scan was awaited.

        Raises:
            OSError: the ledger cannot be written; nothing was counted.
        """
        with self._changed:
            scan = self._awaited.get(scan_id)
            told = self._known.has_failure(scan_id, cause) or self._known.has_report(scan_id)
            if scan is None and told:
                return False
            label = self._label_of(scan_id)
            origins = tuple(self._labels.origins_of(scan_id)[:1])
            self._ledger.write("failed", [scan_id], self._names_of([scan_id]), reason=cause)
            self._known.note_failure(scan_id, cause)
            reason = f"the analysis failed: {cause}"
            command = f"make requeue ID={scan_id}"
            if scan is not None:  # else an earlier run sent it
                del self._awaited[scan_id]
                self._failures.add(scan.label, reason, scan_id, command)
                self._changed.notify_all()
        self._failures.tell(label or scan_id, reason, scan_id, command)
        failed = Account(
            FileOutcome.FAILED, f"{self._reveal(reason)} ({command})", origins, scan_id
        )
        self._account(failed)
        return scan is not None

    def interrupted(self, label: str, scan_id: str) -> None:
        """Fr-PACS stops before Fr-HUB has acknowledged this scan: it has not failed, but nobody has
        promised to keep it."""
        with self._changed:
            was_sent = self._awaited.pop(scan_id, None) is not None
            self._interrupted += was_sent
            self._changed.notify_all()
        reason = f"not {'acknowledged' if was_sent else 'sent'} before Fr-PACS stopped"
        self._account_for(scan_id, FileOutcome.WAITING, reason)
        self._ledger.write("refused", [scan_id], {scan_id: self._reveal(label)}, reason=reason)
        self._log.info("scan interrupted", what=label, scan_id=scan_id)

    def delivered(self, scan_id: str, revision: int = 1, **findings: object) -> bool:
        """As ``all_delivered``, for one report."""
        return self.all_delivered({scan_id: findings}, revision)[scan_id]

    def all_delivered(
        self, reports: Mapping[str, Mapping[str, object]], revision: int = 1
    ) -> dict[str, bool]:
        """Reports of a revision arrived; log each, unless it or a later revision had arrived before
        and no scan of this run awaits it. The ledger takes the lines of all of them in one write.

        Revisions may have gaps: one that was replaced before its delivery is never sent.

        Args:
            reports: by scan id, further fields of the log line; those that are None are left out.
            revision: of the reports.

        Returns:
            By scan id, whether this revision is new, or was awaited.

        Raises:
            OSError: the ledger cannot be written; nothing was counted.
        """
        now = time.monotonic()
        lines: list[dict[str, object]] = []
        with self._changed:
            had = {scan_id: self._known.has_report(scan_id, revision) for scan_id in reports}
            arrived = {
                scan_id: scan_id in self._awaited or not had_it for scan_id, had_it in had.items()
            }
            # Before they are noted: if the disk is full, this raises, and the reports come again.
            revisions = {"revision": str(revision)} if revision > 1 else {}
            first = [scan_id for scan_id, had_it in had.items() if not had_it]
            self._ledger.write("reported", first, self._names_of(first), **revisions)
            for scan_id in first:
                self._known.note_report(scan_id, revision)
            for scan_id, findings in reports.items():
                if not arrived[scan_id]:
                    continue
                label = self._label_of(scan_id)
                scan = self._awaited.pop(scan_id, None)
                if scan is not None:  # else an earlier run sent it
                    self._delivered += 1
                    self._latencies.append(now - scan.sent_at)
                    self._last = now
                elif not self._labels.all_of(scan_id):
                    self._earlier += 1
                ms = round(1000 * (now - scan.sent_at)) if scan else None
                lines.append({"label": label, **findings, "ms": ms, "scan_id": scan_id})
            self._changed.notify_all()
        for fields in lines:
            known = {name: value for name, value in fields.items() if value is not None}
            self._log.info("report received", **known)
        return arrived

    def not_written(self, scan_id: str, reason: str) -> None:
        """The report of a scan has come and could not be written; Fr-HUB sends it again.

        Args:
            scan_id: of the scan.
            reason: why, for the user.
        """
        with self._lock:
            if scan_id in self._awaited:  # of others, nothing is told at the end
                self._not_written[scan_id] = reason

    def exhausted(self) -> None:
        """No more scans will be sent."""
        with self._changed:
            self._exhausted = True
            self._changed.notify_all()

    def wait(self, timeout_s: float) -> bool:
        """Wait up to ``timeout_s`` seconds until each scan has its report or has failed.

        Returns:
            Whether that is so.
        """
        with self._changed:
            return self._changed.wait_for(self._done, timeout_s)

    def _done(self) -> bool:
        return self._exhausted and not self._awaited

    def fail_awaited(self) -> int:
        """Count every scan whose report is still awaited as failed; how many there were."""
        with self._lock:
            missing = list(self._awaited.items())
        for scan_id, scan in missing:
            cause = self._not_written.get(scan_id)
            reason = NOT_WRITTEN.format(cause) if cause else NO_REPORT
            self.failed(scan.label, reason, scan_id, WHERE_IT_IS, outcome=FileOutcome.WAITING)
        return len(missing)

    def open(self) -> dict[str, int]:
        """What a stopped run leaves: scans not sent, not acknowledged, and without their report."""
        with self._lock:
            begun = self._sent + self._never_sent + self._copies
            unsent = max(0, self._total - begun) if self._total else 0
            return {
                "not_sent": unsent,
                "not_acknowledged": self._interrupted,
                "without_report": len(self._awaited),
            }

    def totals(self, *, with_latency: bool = True) -> Totals:
        """The counts so far; the latency costs a sort."""
        with self._lock:
            latency = None
            if with_latency and self._latencies:
                p50, p95, p99 = np.percentile(np.array(self._latencies) * 1000, (50, 95, 99))
                latency = Latency(p50=round(p50, 1), p95=round(p95, 1), p99=round(p99, 1))
            return Totals(
                total=self._total,
                sent=self._sent,
                acknowledged=self._acknowledged,
                delivered=self._delivered,
                earlier=self._earlier,
                failed=self._failures.count,
                copies=self._copies,
                copied=tuple(self._copied),
                failures=self._failures.first,
                skipped=self._skipped,
                seconds=max(0.0, self._last - self._first) if self._first else 0.0,
                megabytes=self._bytes / 1e6,
                latency_ms=latency,
            )


def _what(kind: str) -> str:
    """What is skipped of a kind, for the log."""
    if kind in SLICES:
        return "slices"
    return "volumes that VOLUMES excludes" if kind in VOLUME_ROLES else "files that are not scans"
