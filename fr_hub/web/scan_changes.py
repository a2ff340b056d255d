"""Changes to scans that operators ask for, each with its outcome.

All are repeatable: what is done already is 'unchanged'. The store records each in the audit trail
first, with the user.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from common.domain.scan import Priority
from common.domain.states import ERASED, ReportGenerated, shown
from common.domain.tenant import Tenant
from common.store.claim_documents import CHOSEN
from common.store.scan_facts import ScanFacts
from common.store.unit_parts import WebStore
from fr_hub.web.models import Answer, Body
from fr_hub.web.problems import CHECK_THE_KEY, Problem

SCANS_MAX = 1000
"""The most scans of one request."""

Name = Annotated[str, Field(min_length=1, max_length=150)]


class Scans(Body):
    """Which scans to change."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"ids": ["2026-01-31-0001@mr-1"], "dry_run": True}]}
    )

    ids: Annotated[list[Name], Field(min_length=1, max_length=SCANS_MAX)]
    """Keys of scans: `<scan_id>@<pacs>`."""
    dry_run: bool = False
    """Only report what would be done, and change nothing."""


class ScansOfAnalyzer(Scans):
    """Which scans to analyse again."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"ids": ["2026-01-31-0001@mr-1"], "analyzer": "volume 1"}]}
    )

    analyzer: Annotated[str, Field(min_length=1, max_length=97)] | None = None
    """Only those whose report is by this analyzer: its name, or name and version."""
    using: Annotated[str, Field(min_length=3, max_length=97)] | None = None
    """The analyzer to use: name and version, such as `volume 5`, from `installed` of `GET
    /analyzers`. Null: the one that Fr-BRAIN has for the scan's type."""


class ScansWithPriority(Scans):
    """Scans and their new priority."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"ids": ["2026-01-31-0001@mr-1"], "priority": "urgent"}]}
    )

    priority: Priority


class Outcome(Answer):
    """The outcome for one scan."""

    id: str
    outcome: Literal["done", "would", "unchanged", "unknown", "refused"]
    reason: str | None = None


class Outcomes(Answer):
    """The outcome for each scan, in the order of the request."""

    dry_run: bool
    outcomes: list[Outcome]


Judge = Callable[[ScanFacts], Outcome | None]
"""Why a scan stays as it is; None: it is to be changed."""

Change = Callable[[list[ScanFacts]], Mapping[str, Outcome]]
"""Changes scans; returns the outcome of those of which it is not simply 'done'."""


def requeue(store: WebStore, tenant: Tenant, wanted: Scans, user: str) -> Outcomes:
    """Return scans to the queue that failed, or lost their report."""

    def judge(scan: ScanFacts) -> Outcome | None:
        if scan.listed.state != ReportGenerated.ERROR and scan.listed.key not in lost:
            return _unchanged(scan, "it has not failed")
        return _without_voxels(scan) if scan.listed.key in gone else None

    def change(scans: list[ScanFacts]) -> dict[str, Outcome]:
        found = store.failed_scans.requeue(_keys(scans), user)
        had = {
            key: Outcome(id=key, outcome="done", reason="it already had its report")
            for key in found.done
        }
        return had | {key: _meanwhile(key) for key in (*_names(found.elsewhere), *found.unknown)}

    gone = store.revisions.without_voxels(wanted.ids)
    lost = store.failed_scans.without_report(wanted.ids)
    return _each(store, tenant, wanted, judge, change)


def reanalyze(store: WebStore, tenant: Tenant, wanted: ScansOfAnalyzer, user: str) -> Outcomes:
    """Schedule scans that have a report for analysis, by the analyzer that is installed now or by
    one that is chosen.

    Raises:
        Problem: 409, no Fr-BRAIN that runs has the chosen one.
    """
    reads = None if wanted.using is None else _types_of(store, wanted.using)

    def judge(scan: ScanFacts) -> Outcome | None:
        state, made_by = scan.listed.state, scan.listed.analyzer or ""
        waits = (ReportGenerated.TO_DO, ReportGenerated.IN_PROGRESS)
        if state in waits and not is_choice(scan):
            return _unchanged(scan, "it is already waiting for analysis")
        if reads is not None and (scan.header is None or scan.header.scan_type not in reads):
            return _refused(scan, f"{wanted.using} does not read scans of its type")
        if state in waits:
            return None
        if state != ReportGenerated.DONE or scan.listed.revision is None:
            help_ = "; requeue it" if state == ReportGenerated.ERROR else ""
            return _refused(scan, f"it has no report{help_}")
        if wanted.analyzer is not None and wanted.analyzer not in (made_by, made_by.split(" ")[0]):
            return _refused(scan, "its report is by another analyzer")
        return _without_voxels(scan) if scan.listed.key in gone else None

    def is_choice(scan: ScanFacts) -> bool:
        """Whether it waits for another analyzer, which was chosen."""
        chosen = scan.document.get(CHOSEN)
        return scan.listed.state == ReportGenerated.TO_DO and chosen not in (None, wanted.using)

    def change(scans: list[ScanFacts]) -> dict[str, Outcome]:
        waiting = [scan.listed.key for scan in scans if is_choice(scan)]
        chosen = store.revisions.choose(waiting, user, wanted.using) if waiting else set()
        late = {key: _meanwhile(key) for key in waiting if key not in chosen}
        return late | schedule([scan for scan in scans if not is_choice(scan)])

    def schedule(scans: list[ScanFacts]) -> dict[str, Outcome]:
        by_revision: dict[int, list[str]] = {}
        for scan in scans:
            by_revision.setdefault(scan.listed.revision or 1, []).append(scan.listed.key)
        for revision, keys in by_revision.items():
            store.revisions.schedule_reanalysis(keys, revision, user, wanted.using)
        now = {one.key: one.revision for one in store.revisions.revisions_of(_keys(scans))}
        return {
            scan.listed.key: _meanwhile(scan.listed.key)
            for scan in scans
            if now.get(scan.listed.key, 0) <= (scan.listed.revision or 1)
        }

    gone = store.revisions.without_voxels(wanted.ids)
    return _each(store, tenant, wanted, judge, change)


def _types_of(store: WebStore, analyzer: str) -> frozenset[str]:
    """The types of scan that an analyzer reads.

    Raises:
        Problem: 409, no Fr-BRAIN that runs has it.
    """
    installed = store.units.analyzers()
    types = frozenset(kind for one in installed if str(one) == analyzer for kind in one.types)
    if not types:
        known = ", ".join(dict.fromkeys(map(str, installed))) or "none"
        raise Problem(
            409,
            "no_analyzer",
            "No running Fr-BRAIN has the analyzer in 'using'; choose one of these, as name and "
            f"version: {known}.",
        )
    return types


def prioritize(store: WebStore, tenant: Tenant, wanted: ScansWithPriority, user: str) -> Outcomes:
    """Change the priority of waiting scans."""

    def judge(scan: ScanFacts) -> Outcome | None:
        if scan.listed.state != ReportGenerated.TO_DO:
            return _refused(
                scan,
                f"it is {shown(scan.listed.state)}; only waiting scans have a place in the "
                "queue",
            )
        if scan.listed.priority == wanted.priority:
            return _unchanged(scan, "it already has this priority")
        return None

    def change(scans: list[ScanFacts]) -> dict[str, Outcome]:
        changed = store.priorities.change(_keys(scans), wanted.priority, user)
        return {key: _meanwhile(key) for key in set(_keys(scans)) - changed}

    return _each(store, tenant, wanted, judge, change)


def erase(store: WebStore, tenant: Tenant, wanted: Scans, user: str) -> Outcomes:
    """Erase scans with their reports, in any state. What was delivered to a Fr-PACS stays there."""

    def judge(scan: ScanFacts) -> Outcome | None:
        return _unchanged(scan, "it was erased") if scan.listed.state == ERASED else None

    def change(scans: list[ScanFacts]) -> dict[str, Outcome]:
        store.erasure.erase(_keys(scans), user)
        return {}

    return _each(store, tenant, wanted, judge, change)


def _each(store: WebStore, tenant: Tenant, wanted: Scans, judge: Judge, change: Change) -> Outcomes:
    ids = list(dict.fromkeys(wanted.ids))
    facts = {scan.listed.key: scan for scan in store.scan_pages.these(tenant, ids)}
    outcomes = {key: judged for key, scan in facts.items() if (judged := judge(scan)) is not None}
    rest = [scan for key, scan in facts.items() if key not in outcomes]
    if wanted.dry_run:
        outcomes |= {scan.listed.key: Outcome(id=scan.listed.key, outcome="would") for scan in rest}
    elif rest:
        outcomes |= {scan.listed.key: Outcome(id=scan.listed.key, outcome="done") for scan in rest}
        outcomes |= change(rest)
    unknown = f"there is no such scan; {CHECK_THE_KEY}"
    return Outcomes(
        dry_run=wanted.dry_run,
        outcomes=[
            outcomes.get(key) or Outcome(id=key, outcome="unknown", reason=unknown) for key in ids
        ],
    )


def _keys(scans: Sequence[ScanFacts]) -> list[str]:
    return [scan.listed.key for scan in scans]


def _names(elsewhere: Sequence[tuple[str, str]]) -> list[str]:
    return [key for key, _ in elsewhere]


def _unchanged(scan: ScanFacts, reason: str) -> Outcome:
    return Outcome(id=scan.listed.key, outcome="unchanged", reason=reason)


def _refused(scan: ScanFacts, reason: str) -> Outcome:
    return Outcome(id=scan.listed.key, outcome="refused", reason=reason)


def _without_voxels(scan: ScanFacts) -> Outcome:
    reason = "the image was removed, so it cannot be analysed again; send the scan again"
    return _refused(scan, reason)


def _meanwhile(key: str) -> Outcome:
    return Outcome(
        id=key, outcome="unchanged", reason="it has changed in the meantime; look at it again"
    )
