"""Totals of a run, from the ledger of Fr-PACS and from the store."""

import asyncio
import json
import time
from pathlib import Path

from common.domain.states import ReportGenerated
from common.errors import StoreUnavailable
from common.runtime.run_totals import Totals
from common.store.db_manager import DBManager

_AT_ONCE = 1000
_PAUSE_S = 0.3
_LOOKS = 2


def sum_up(totals: Totals, store: DBManager, acknowledged: list[str]) -> Totals:
    """Add the number of acknowledged scans (by key) in the store, of their reports, and of those
    reports that will be revised."""
    stored = reported = to_revise = 0
    for start in range(0, len(acknowledged), _AT_ONCE):
        keys = acknowledged[start : start + _AT_ONCE]
        expected = store.revisions.expected(keys)
        for key, (state, report) in store.queries.states_of(keys).items():
            stored += state is not None
            # A scan that is analysed again has the report that it had.
            again = key in expected and report is not None
            reported += again or (state == ReportGenerated.DONE and report is not None)
            to_revise += again
    counts = {"stored": stored, "reported": reported, "to_revise": to_revise}
    return totals.model_copy(update=counts)


async def revisions_received(store: DBManager, keys: list[str], patience_s: float) -> None:
    """Wait until no other revision of these scans' reports is expected, or nothing has changed for
    ``patience_s`` seconds.

    Args:
        store: where the scans are.
        keys: of scans that have a report.
        patience_s: seconds.

    Raises:
        StoreUnavailable: MongoDB was unreachable for so long.
    """
    found_none = 0
    before: set[str] | None = None
    since = time.monotonic()
    # Twice: whoever completes one scan may send back another, which was read just before.
    while found_none < _LOOKS:
        try:
            expected = await asyncio.to_thread(_expected, store, keys)
        except StoreUnavailable:
            if time.monotonic() - since > patience_s:
                raise
            await asyncio.sleep(_PAUSE_S)
            continue
        found_none = 0 if expected else found_none + 1
        if expected != before:
            before, since = expected, time.monotonic()
        elif time.monotonic() - since > patience_s:
            return
        if expected:
            await asyncio.sleep(_PAUSE_S)


def _expected(store: DBManager, keys: list[str]) -> set[str]:
    chunks = (keys[start : start + _AT_ONCE] for start in range(0, len(keys), _AT_ONCE))
    return {key for chunk in chunks for key in store.revisions.expected(chunk)}


def acknowledged_in(ledger: Path, start: int) -> list[str]:
    """The ids of the scans acknowledged in a ledger, from byte ``start`` on.

    An incomplete last line is skipped.
    """
    marker = '"event": "acknowledged"'
    with ledger.open(encoding="utf-8") as lines:
        lines.seek(start)
        return [
            str(json.loads(line)["scan_id"])
            for line in lines
            if marker in line and line.endswith("\n")
        ]
