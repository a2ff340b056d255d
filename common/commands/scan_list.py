"""Lists the stored scans, each with its state and its report's verdict (``fr list``)."""

import contextlib
import dataclasses
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice

from common.commands.labels import WHERE_PSEUDONYMS_ARE, Labels
from common.commands.listing import print_items, print_json_array
from common.domain.states import ReportGenerated
from common.domain.types import Document, utc_now
from common.runtime.console import Console, write_csv
from common.runtime.entry_point import run_command
from common.runtime.lifecycle import Exit
from common.runtime.logger import command_log
from common.settings.commands import ListSettings
from common.settings.loading import load_settings
from common.store.opening import open_existing_store
from common.store.scan_list import ListedScan, Wanted

Labelled = tuple[ListedScan, Sequence[str]]

_TOGETHER = 500

COLUMNS = (
    "scan_id",
    "pacs",
    "state",
    "received_at",
    "age_s",
    "priority",
    "subject",
    "attempts",
    "cause",
    "analyzer",
    "verdict",
    "lesions",
    "revision",
    "delivered",
    "ended_at",
    "label",
    "damage",
    "key",
)
"""Of the CSV, and of each object of the JSON; in JSON, ``labels`` and ``damage`` are lists."""

_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def list_scans() -> int:
    """List the scans that the settings select."""
    settings = load_settings(ListSettings, "fr list")
    wanted = Wanted(
        states=settings.states,
        pacs=settings.pacs,
        subject=settings.subject,
        since=settings.since_utc,
        limit=settings.limit,
    )
    unknown: list[str] = []
    count = None
    with (
        contextlib.closing(Labels(settings.reports, settings.ledger)) as labels,
        open_existing_store(settings) as store,
    ):
        if settings.ids:
            keys = store.queries.keys_of(settings.ids)
            unknown = [name for name in settings.ids if name not in keys]
            wanted = dataclasses.replace(wanted, keys=tuple(keys.values()))
        scans = labelled(store.scan_list.scans(wanted), labels)
        if settings.json_output:
            print_json_array(_as_json(scan, names) for scan, names in scans)
        elif settings.csv_output:
            write_csv(COLUMNS, (_as_row(scan, names) for scan, names in scans))
        else:
            count = show(scans, Console(), settings.limit)
    for name in unknown:
        command_log().warning("no such scan", id=name)
    others = settings.ids or settings.states or settings.pacs or settings.since
    if settings.subject is not None and count == 0 and not others:
        Console().print(f"no scan of this subject is stored: {WHERE_PSEUDONYMS_ARE}")
    return Exit.FAILED if unknown else Exit.OK


def labelled(scans: Iterator[ListedScan], labels: Labels) -> Iterator[Labelled]:
    """The scans, each with the labels that are known of it."""
    while some := list(islice(scans, _TOGETHER)):
        known = labels.of([scan.key for scan in some])
        yield from ((scan, known.get(scan.key, ())) for scan in some)


def show(scans: Iterable[Labelled], console: Console, limit: int | None = None) -> int:
    """Print the scans for people; returns their number."""
    now = utc_now()
    count = print_items(((scan.key, about(scan, names, now)) for scan, names in scans), console)
    console.print(f"{count:,} {'scan' if count == 1 else 'scans'}")
    if count == limit:
        narrow = "or narrow the list with ID, STATE, PACS, SUBJECT or SINCE"
        console.print(f"these are the newest {limit:,}: set LIMIT to see more, {narrow}")
    return count


def about(scan: ListedScan, names: Sequence[str], now: datetime) -> list[str]:
    """What there is to say about a scan, in lines."""
    lines = list(names)
    parts = [scan.state]
    if scan.received_at is not None:
        parts.append(f"received {age_of(scan.received_at, now)} ago")
    if scan.ended_at is not None:
        parts.append(f"ended {age_of(scan.ended_at, now)} ago")
    if scan.attempts and scan.state != ReportGenerated.DONE:
        parts.append("1 attempt" if scan.attempts == 1 else f"{scan.attempts} attempts")
    if scan.priority not in (None, "routine"):
        parts.append(f"priority {scan.priority}")
    if scan.subject is not None:
        parts.append(f"subject {scan.subject}")
    lines.append(", ".join(parts))
    if scan.delivered is not None:
        lines.append(_about_report(scan))
    if scan.cause is not None:
        lines.append(f"cause: {scan.cause}")
    if scan.state == ReportGenerated.ERROR:
        lines.append(f"to analyse it again: make requeue ID={scan.key}")
    if scan.damage:
        lines.append(f"damaged: {'; '.join(scan.damage)} (make verify)")
    return lines


def _about_report(scan: ListedScan) -> str:
    parts = [f"report: {scan.verdict or 'damaged'}"]
    if scan.lesions is not None:
        parts.append("1 lesion" if scan.lesions == 1 else f"{scan.lesions} lesions")
    if scan.analyzer is not None:
        parts.append(f"by {scan.analyzer}")
    if scan.revision is not None and scan.revision > 1:
        parts.append(f"revision {scan.revision}")
    parts.append("delivered" if scan.delivered else "not delivered yet")
    return ", ".join(parts)


def age_of(at: datetime, now: datetime) -> str:
    """How long ago a time was, such as ``3 h``."""
    seconds = max(0, int((now - at).total_seconds()))
    size, unit = next((one for one in _UNITS if seconds >= 2 * one[0]), _UNITS[-1])
    return f"{seconds // size} {unit}"


def _as_row(scan: ListedScan, names: Sequence[str]) -> Document:
    fields = _as_json(scan, names)
    return {**fields, "label": "; ".join(names), "damage": "; ".join(scan.damage)}


def _as_json(scan: ListedScan, names: Sequence[str]) -> Document:
    fields = dataclasses.asdict(scan)
    for name in ("received_at", "ended_at"):
        fields[name] = fields[name] and fields[name].isoformat()
    age = None if scan.received_at is None else (utc_now() - scan.received_at).total_seconds()
    fields["age_s"] = None if age is None else max(0, round(age))
    return {**fields, "labels": list(names), "damage": list(scan.damage)}


if __name__ == "__main__":
    sys.exit(run_command("fr list", list_scans))
