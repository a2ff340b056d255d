"""Fr-HUB as a process: waiting reports do not decide how much memory it takes."""

import contextlib
from typing import Any

import pytest

from common.domain.report import report_id_of
from common.store.collections import Collection
from common.store.db_manager import DBManager
from tests.factories import inside, make_reports
from tests.fr_hub.pushing import Reports
from tests.fr_hub.strict_pacs import StrictPacs
from tests.processes import hub_process, peak_memory_mib
from tests.running import hub_settings, until

NAMES = ("pacs-1", "pacs-2", "pacs-3")
EACH = 250
REPORT_BYTES = 125_000
BUDGET_MIB = 64


def copies(store: DBManager, name: str) -> list[dict[str, Any]]:
    """Many large reports for this Fr-PACS, as their processors would have written them."""
    [report] = make_reports(store, 1, pacs=name)
    reports = inside(store, Collection.REPORTS)
    made: dict[str, Any] = reports.find_one_and_delete({"_id": report.key}) or {}
    made["report"]["notice"] = "x" * REPORT_BYTES
    return [
        {
            **made,
            "_id": f"{name}-{n}@{name}",
            "report": {
                **made["report"],
                "scan_id": f"{name}-{n}",
                "report_id": report_id_of(f"{name}-{n}", 1),
            },
        }
        for n in range(EACH)
    ]


@pytest.mark.long
def test_many_large_reports_are_sent_within_the_memory_budget(store: DBManager) -> None:
    with contextlib.ExitStack() as stack:
        servers = {name: stack.enter_context(Reports()) for name in NAMES}
        settings = hub_settings(hub_pacs={name: one.address for name, one in servers.items()})
        budget = {"HUB_MEMORY_MIB": str(BUDGET_MIB)}
        waiting = [copies(store, name) for name in NAMES]  # before a hub could send one
        _, pid = stack.enter_context(hub_process(store, settings, **budget))
        strict = [StrictPacs(one, 1 << 20, name, window=1000) for name, one in servers.items()]
        before = peak_memory_mib(pid)
        for reports in waiting:
            inside(store, Collection.REPORTS).insert_many(reports)
        until(lambda: store.queries.count_reports()[True] == EACH * len(NAMES), 120)
        assert all(len(one.arrived) == EACH for one in strict)
        taken = peak_memory_mib(pid) - before
        assert taken < BUDGET_MIB, f"{taken:.0f} MiB"
