"""Lists reports that could not be delivered (``fr undelivered``), and makes them due again
(``fr redeliver``)."""

import dataclasses
import sys
from collections.abc import Iterable, Iterator, Sequence

from common.audit.recorded_command import recorded_command
from common.commands.listing import print_items, print_json_array, time_of
from common.domain.types import Document
from common.errors import SettingsError
from common.runtime.console import Console, write_text
from common.runtime.entry_point import run_unit
from common.runtime.lifecycle import Exit
from common.runtime.logger import command_log
from common.settings.commands import RedeliverSettings, UndeliveredSettings
from common.settings.loading import load_settings
from common.store.db_manager import DBManager
from common.store.opening import open_existing_store
from common.store.undeliverable import UndeliverableReport

_PAGE = 1000


def redeliver_pages(
    store: DBManager, names: Sequence[str] | None = None
) -> Iterator[tuple[set[str], set[str]]]:
    """Make the reports of these scans, or all undelivered ones, due again.

    Yields, for each page, the keys of the reports that are due now, and those that were not
    undelivered."""
    pages: Iterable[Sequence[str]] = store.undeliverable.pages()
    if names is not None:
        keys = [store.queries.keys_of([name]).get(name, name) for name in names]
        pages = (keys[at : at + _PAGE] for at in range(0, len(keys), _PAGE))
    for page in pages:
        due = store.undeliverable.redeliver(page)
        yield due, set(page) - due


def show(reports: Iterator[UndeliverableReport], console: Console) -> int:
    """Print the reports for people; returns their number."""
    return print_items(
        (
            (one.key, [f"gave up at {time_of(one.at)} after {one.tries} tries", one.cause])
            for one in reports
        ),
        console,
    )


def undelivered() -> int:
    """List the reports that could not be delivered."""
    settings = load_settings(UndeliveredSettings, "fr undelivered", sys.argv[2:])
    with open_existing_store(settings) as store:
        if settings.json_output:
            print_json_array(map(_as_json, store.undeliverable.all()))
            return Exit.OK
        console = Console()
        count = show(store.undeliverable.all(), console)
        word = "report" if count == 1 else "reports"
        console.print(f"{count:,} undelivered {word}")
        if count:
            console.print("to send them again: make redeliver ID=<scan>,… or ALL=1")
    return Exit.OK


def _as_json(report: UndeliverableReport) -> Document:
    return {**dataclasses.asdict(report), "at": report.at.isoformat() if report.at else None}


def redeliver() -> int:
    """Make the reports due again that the settings name."""
    settings = load_settings(RedeliverSettings, "fr redeliver", sys.argv[2:])
    if bool(settings.ids) == settings.everything:
        raise SettingsError(
            "give either ID=<scan>,… or ALL=1; `make undelivered` lists the undelivered reports"
        )
    sent = wrong = 0
    with (
        open_existing_store(settings) as store,
        recorded_command(store, "redeliver", command_log(), settings.mongodb_timeout_s) as recorded,
    ):
        for due, others in redeliver_pages(recorded, None if settings.everything else settings.ids):
            sent += len(due)
            for key in sorted(due):
                write_text(f"{key}: will be sent again")
            if settings.everything:
                continue  # another command was faster, which is no error
            for key in sorted(others):
                write_text(f"{key!r}: has no undelivered report")
            wrong += len(others)
    write_text(f"{sent} to be sent again" + (f", {wrong} unchanged" if wrong else ""))
    return Exit.FAILED if wrong else Exit.OK


def _help() -> int:
    raise SettingsError("say what to do: `fr undelivered` or `fr redeliver`; each has --help")


def main() -> int:
    """Run ``list`` or ``redeliver``."""
    commands = {"list": undelivered, "redeliver": redeliver}
    return commands.get(sys.argv[1] if len(sys.argv) > 1 else "", _help)()


if __name__ == "__main__":
    name = "fr redeliver" if sys.argv[1:2] == ["redeliver"] else "fr undelivered"
    sys.exit(run_unit(name, main))
