"""Lists failed scans, those in ``'Error'`` (``fr errors``), and requeues them, or scans that lost
their report (``fr requeue``)."""

import dataclasses
import sys
from collections.abc import Iterable, Iterator, Sequence

from common.audit.recorded_command import recorded_command
from common.commands.listing import print_items, print_json_array, time_of
from common.domain.scan_key import pacs_of, scan_id_of
from common.domain.types import Document
from common.errors import SettingsError
from common.runtime.console import Console, write_text
from common.runtime.entry_point import run_command
from common.runtime.lifecycle import Exit
from common.runtime.logger import command_log
from common.settings.commands import ErrorsSettings, RequeueSettings
from common.settings.loading import load_settings
from common.store.db_manager import DBManager
from common.store.failed_scans import FailedScan, Requeued
from common.store.opening import open_existing_store

_PAGE = 1000


def requeue_pages(store: DBManager, names: Sequence[str] | None = None) -> Iterator[Requeued]:
    """Requeue these scans, or all that failed; yields the outcome of each page."""
    pages: Iterable[Sequence[str]] = store.failed_scans.ids()
    if names is not None:
        keys = [store.queries.keys_of([name]).get(name, name) for name in names]
        pages = (keys[at : at + _PAGE] for at in range(0, len(keys), _PAGE))
    for page in pages:
        yield store.failed_scans.requeue(page)


def show(scans: Iterator[FailedScan], console: Console) -> int:
    """Print the scans for people; returns their number."""
    return print_items(((scan.key, _about(scan)) for scan in scans), console)


def _about(scan: FailedScan) -> list[str]:
    attempts = "1 attempt" if scan.attempts == 1 else f"{scan.attempts} attempts"
    before = f", requeued {scan.requeued}x before" if scan.requeued else ""
    by = f", the last by {scan.worker}" if scan.worker else ""
    return [f"failed at {time_of(scan.at)} after {attempts}{by}{before}", scan.cause]


def errors() -> int:
    """List the failed scans."""
    settings = load_settings(ErrorsSettings, "fr errors", sys.argv[2:])
    with open_existing_store(settings) as store:
        if settings.json_output:
            print_json_array(map(_as_json, store.failed_scans.all()))
        else:
            console = Console()
            count = show(store.failed_scans.all(), console)
            word = "scan" if count == 1 else "scans"
            console.print(f"{count:,} failed {word}")
            console.print(
                "files that could not be sent and scans that Fr-HUB refused are not in this "
                "list: see index.csv in REPORTS, or the LEDGER"
            )
            if count:
                console.print("to analyse them again: make requeue ID=<scan>,… or ALL=1")
    return Exit.OK


def _as_json(scan: FailedScan) -> Document:
    fields = dataclasses.asdict(scan)
    key = fields.pop("key")
    at = scan.at.isoformat() if scan.at is not None else None
    return {"scan_id": scan_id_of(key), "pacs": pacs_of(key), "key": key, **fields, "at": at}


def requeue() -> int:
    """Requeue the scans that the settings name."""
    settings = load_settings(RequeueSettings, "fr requeue", sys.argv[2:])
    if bool(settings.ids) == settings.everything:
        raise SettingsError(
            "give either ID=<scan>,… or ALL=1; `make errors` lists the failed scans"
        )
    to_do = done = wrong = 0
    with (
        open_existing_store(settings) as store,
        recorded_command(store, "requeue", command_log(), settings.mongodb_timeout_s) as recorded,
    ):
        wanted = None if settings.everything else settings.ids
        for result in requeue_pages(recorded, wanted):
            to_do += len(result.to_do)
            done += len(result.done)
            for key in result.to_do:
                write_text(f"{key}: requeued")
            for key in result.done:
                write_text(f"{key}: already has its report, now 'Done'")
            if settings.everything:
                continue  # another requeue was faster, which is no error
            for key, state in result.elsewhere:
                write_text(f"{key}: not requeued: its state is {state!r}, not 'Error'")
            for key in result.unknown:
                write_text(f"{key!r}: not requeued: no such scan")
            wrong += len(result.elsewhere) + len(result.unknown)
    also = f", {done} already had a report" if done else ""
    refused = f", {wrong} not requeued" if wrong else ""
    write_text(f"{to_do} requeued{also}{refused}")
    return Exit.FAILED if wrong else Exit.OK


def _help() -> int:
    raise SettingsError("say what to do: `fr errors` or `fr requeue`; each has --help")


def main() -> int:
    """Run ``list`` or ``requeue``."""
    commands = {"list": errors, "requeue": requeue}
    return commands.get(sys.argv[1] if len(sys.argv) > 1 else "", _help)()


if __name__ == "__main__":
    sys.exit(run_command("fr requeue" if sys.argv[1:2] == ["requeue"] else "fr errors", main))
