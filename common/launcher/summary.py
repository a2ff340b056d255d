"""Totals of a run, from the ledger of Fr-PACS and from the store."""

import json
from pathlib import Path

from common.domain.states import ReportGenerated
from common.runtime.run_totals import Totals
from common.store.db_manager import DBManager


def sum_up(totals: Totals, store: DBManager, acknowledged: list[str]) -> Totals:
    """Add the number of acknowledged scans (by key) in the store, and of their reports."""
    stored = reported = 0
    for start in range(0, len(acknowledged), 1000):
        for state, report in store.queries.states_of(acknowledged[start : start + 1000]).values():
            stored += state is not None
            reported += state == ReportGenerated.DONE and report is not None
    return totals.model_copy(update={"stored": stored, "reported": reported})


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
