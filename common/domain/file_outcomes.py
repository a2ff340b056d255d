"""What became of each file, and how its row in the index of reports changes."""

from enum import StrEnum

from common.domain.report_index import ABOUT_FILE, COLUMNS, OUTCOME, REASON, REPORT, Row
from common.domain.skipped_kinds import PARTS, singular


class FileOutcome(StrEnum):
    """What became of a volume, or of a file without one. Stored: a member is never renamed."""

    REPORTED = "reported"
    """Its report is in the folder."""
    COPY = "copy"
    """Another file holds the same image or slice; the reason names it. If it is an image that is
    reported, the row has its report, too."""
    WAITING = "waiting"
    """It has no report yet; the reason says why."""
    SKIPPED = "skipped"
    """It is no scan, or is not wanted; the reason says what it is."""
    REFUSED = "refused"
    """It could not be sent, or Fr-HUB does not take it."""
    FAILED = "failed"
    """Its analysis failed."""
    GONE = "gone"
    """Its file is not there any more, or holds another image. Its report is still in the folder."""
    ERASED = "erased"
    """Its scan was erased on request, and Fr-HUB refuses the image. A report that was delivered
    before is still in the folder, because Fr-PACS deletes no report."""


def has_report(row: Row) -> bool:
    """Whether a row is about a report."""
    return bool(row.get(REPORT))


Scan = tuple[str, str]


def scan_in(row: Row) -> Scan | None:
    """What identifies the scan of a row; None if it has none."""
    scan_id = row.get("scan_id")
    return (scan_id, row.get("pacs", "")) if scan_id else None


def completed(row: Row) -> Row:
    """A row of an earlier release, which had no outcomes."""
    return (
        {**row, OUTCOME: FileOutcome.REPORTED} if not row.get(OUTCOME) and has_report(row) else row
    )


def succeeding(old: Row, new: Row) -> Row:
    """What a row becomes.

    Args:
        old: the row of the same file and volume; it may have further columns, which stay.
        new: what was noted later.
    """
    scan = scan_in(old)
    if scan is not None and scan == scan_in(new):
        return _of_same_scan(old, new)
    if not scan_in(new) and scan is not None and _is_less_than_a_scan(new):
        return old
    return {**old, **dict.fromkeys(COLUMNS, ""), **new}


_REPORTED: Row = {OUTCOME: FileOutcome.REPORTED, REASON: ""}


_PARTS = tuple(map(singular, PARTS))


def _is_less_than_a_scan(new: Row) -> bool:
    """Whether a row says nothing new about a file that was a scan before: it will be loaded, or a
    volume or another part of it is not wanted, as the reason says after the kind."""
    is_part = ": " in new[REASON] or new[REASON] in _PARTS
    return (is_part and new[OUTCOME] == FileOutcome.SKIPPED) or new[OUTCOME] == FileOutcome.WAITING


def _of_same_scan(old: Row, new: Row) -> Row:
    if not has_report(new):
        if not has_report(old):
            return {**old, **new}
        # Later news of a scan take nothing away from its report.
        is_told = new[OUTCOME] in (FileOutcome.COPY, FileOutcome.ERASED)
        if not is_told and old.get(OUTCOME) == FileOutcome.GONE:
            return {**old, **_REPORTED}  # the file is there again
        return {**old, **_outcome_of(new if is_told else old)}
    if has_report(old) and _revision(old) > _revision(new):
        return {**new, **_without_file(old), **_outcome_of(new)}
    return {**old, **new}


def with_news_of_its_scan(row: Row, news: Row) -> Row:
    """A row of another file, which holds the same image: what is new about the scan holds for
    it, too.

    Args:
        row: of a scan.
        news: a row about the same scan.
    """
    outcome = _REPORTED if has_report(news) else _outcome_of(news)
    if row.get(OUTCOME) in (FileOutcome.COPY, FileOutcome.GONE):
        outcome = _outcome_of(row)
    return _of_same_scan(row, {**_file_of(row), **_without_file(news), **outcome})


def with_report_of(row: Row, other: Row) -> Row:
    """A row of a file that was not in the table, whose scan another row is about: it has the same
    report."""
    if not has_report(other) or (has_report(row) and _revision(row) >= _revision(other)):
        return row
    keeps = row[OUTCOME] in (FileOutcome.COPY, FileOutcome.ERASED)
    outcome = _outcome_of(row) if keeps else _REPORTED
    return {**row, **_without_file(other), **outcome}


def _outcome_of(row: Row) -> Row:
    return {name: row.get(name, "") for name in (OUTCOME, REASON)}


def _file_of(row: Row) -> Row:
    return {name: row.get(name, "") for name in ABOUT_FILE}


def _without_file(row: Row) -> Row:
    return {name: value for name, value in row.items() if name not in ABOUT_FILE}


def _revision(row: Row) -> int:
    try:
        return int(row.get("revision", ""))
    except ValueError:
        return 0
