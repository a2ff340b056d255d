"""Scans as the API shows them."""

from datetime import datetime
from typing import Annotated, Literal, Self

from fastapi import Depends, Query, Request

from common.domain.findings import Verdict
from common.domain.rounding import EdgeMm, Ml
from common.domain.scan import Priority
from common.domain.states import SHOWN
from common.domain.tenant import Tenant
from common.domain.types import Identifier
from common.domain.user import Principal, Right
from common.store.scan_facts import ReadAs, ScanFacts
from common.store.scan_history import Happened
from common.store.scan_pages import Asked
from fr_hub.web.access import CurrentTenant, CurrentUser, forbidden, note_fact
from fr_hub.web.context import Context, WebContext
from fr_hub.web.live.unit_hosts import unit_of
from fr_hub.web.models import (
    Answer,
    KnownState,
    ListAnswer,
    ShownState,
    Time,
    known_state,
    one_of,
)
from fr_hub.web.problems import not_found

Text = Annotated[str, Query(min_length=1, max_length=130, pattern=r"^[A-Za-z0-9._@-]+$")]


class SignalFacts(Answer):
    """About the samples of a signal. Unknown values are null."""

    sampling_rate_hz: float | None
    leads: tuple[str, ...]
    units: str
    lead_units: tuple[str, ...] | None
    """Unit of each lead; null if ``units`` is that of all."""
    gains: tuple[float, ...] | None
    """Digital steps per unit of each lead, as recorded."""
    filters: tuple[str, ...]


class ScanSummary(Answer):
    """A scan in a list. Unknown values are null."""

    key: str
    scan_id: str
    pacs: str | None
    state: KnownState
    subject: str | None
    study: str | None
    series: str | None
    session: str | None
    modality: str | None
    contrast: str | None
    """As the scan's sender knows it."""
    read_as: ReadAs | None
    """The contrast that the analyzer read the image as."""
    scan_type: str | None
    kind: Literal["image", "signal"] | None
    signal: SignalFacts | None
    """About a signal, such as an ECG; null for an image."""
    shape: tuple[int, ...] | None
    """For an image, voxels along each axis; for a signal, samples and leads."""
    voxel_size_mm: tuple[EdgeMm, EdgeMm, EdgeMm] | None
    priority: Priority | None
    received_at: datetime | None
    ended_at: datetime | None
    """When it failed, or was purged or erased."""
    attempts: int | None
    cause: str | None
    """Why it failed, for good or at its last attempt."""
    analyzer: str | None
    verdict: Verdict | None
    lesions: int | None
    lesion_volume_ml: Ml | None
    heart_rate_bpm: float | None
    """Of an ECG, beats per minute; null if it is unknown or could not be measured."""
    revision: int | None
    delivered: bool | None
    """Whether its Fr-PACS has the report; null: there is no report."""
    problems: list[str]

    @classmethod
    def of(cls, facts: ScanFacts) -> Self:
        """The summary of a scan."""
        return cls.model_validate(_summary(facts))


class Event(Answer):
    """Something that happened to a scan."""

    at: datetime
    kind: str
    by: str | None
    peer: str | None
    outcome: str | None
    cause: str | None
    attempt: int | None


class ScanDetails(ScanSummary):
    """A scan with its history."""

    owner: str | None
    """Who is analysing it now; without the right `operate`, only the name of the unit."""
    lease_until: datetime | None
    has_voxels: bool
    labels: list[str]
    """Names of the report's label maps."""
    history: list[Event]

    @classmethod
    def with_history(
        cls, facts: ScanFacts, history: list[Happened], *, hosts: bool = False
    ) -> Self:
        """The details of a scan.

        Args:
            hosts: whether the hosts of processes are told.
        """
        document = facts.document
        busy = facts.listed.state == SHOWN["analysing"]
        owner, until = document.get("owner"), document.get("lease_until")
        if isinstance(owner, str) and not hosts:
            owner = unit_of(owner)
        gone = "voxels_gone_at" in document or facts.listed.state in _TOMBSTONES
        return cls.model_validate(
            {
                **_summary(facts),
                "owner": owner if busy and isinstance(owner, str) else None,
                "lease_until": until if busy and isinstance(until, datetime) else None,
                "has_voxels": facts.header is not None and not gone,
                "labels": facts.labels,
                "history": [
                    {
                        **{name: getattr(one, name) for name in Event.model_fields},
                        "by": one.by if hosts or one.is_user or one.by is None else unit_of(one.by),
                    }
                    for one in history
                ],
            }
        )


class ScanPage(ListAnswer):
    """A page of scans. It may have fewer scans than requested, and still a ``next``."""

    items: list[ScanSummary]


class StateCounts(Answer):
    """How many scans are in each state."""

    waiting: int = 0
    analysing: int = 0
    done: int = 0
    failed: int = 0
    erased: int = 0
    purged: int = 0


class PriorityCounts(Answer):
    """How many scans have each priority."""

    stat: int = 0
    urgent: int = 0
    routine: int = 0
    background: int = 0


class ScanCount(Answer):
    """Numbers of scans. Those of a whole tenant are kept for a while; ``counted_at`` says when they
    were counted."""

    states: StateCounts
    pacs: dict[str, int]
    counted_at: datetime
    complete: bool
    """False if there are more scans than were counted."""
    priorities: PriorityCounts
    """Numbers of waiting scans."""
    priorities_complete: bool
    oldest_waiting_at: datetime | None


_TOMBSTONES = (SHOWN["erased"], SHOWN["purged"])
_FROM_LIST = (
    *("key", "scan_id", "pacs", "subject", "received_at", "ended_at", "attempts", "cause"),
    *("analyzer", "lesions", "revision", "delivered"),
)
_FROM_HEADER = (
    *("study", "series", "session", "modality", "scan_type", "kind", "shape", "voxel_size_mm"),
)


def _summary(facts: ScanFacts) -> dict[str, object]:
    header = facts.header
    return {
        **{name: getattr(facts.listed, name) for name in _FROM_LIST},
        **{name: getattr(header, name, None) for name in _FROM_HEADER},
        "signal": None if header is None or header.signal is None else dict(header.signal),
        "contrast": None if header is None else header.declared_contrast,
        "read_as": facts.read_as,
        "state": known_state(facts.listed.state),
        "verdict": one_of(Verdict, facts.listed.verdict),
        "priority": one_of(Priority, facts.listed.priority),
        "lesion_volume_ml": facts.lesion_volume_ml,
        "heart_rate_bpm": facts.heart_rate_bpm,
        "problems": [*(header.problems if header else ()), *facts.listed.damage],
    }


def _pseudonyms_of(
    request: Request, user: Principal, tenant: Tenant, context: WebContext, patient: str
) -> tuple[str, ...]:
    if Right.PERSONAL not in user.rights:
        raise forbidden(Right.PERSONAL)
    found = context.store.patients.get(tenant.name, patient)
    if found is None:
        raise not_found("patient")
    note_fact(request, patient_id=patient)
    return found.pseudonyms


def asked_of(
    request: Request,
    user: CurrentUser,
    tenant: CurrentTenant,
    context: Context,
    state: Annotated[list[ShownState], Query(max_length=6)] = [],  # noqa: B006 - FastAPI copies it
    pacs: Annotated[list[Identifier], Query(max_length=50)] = [],  # noqa: B006
    subject: Annotated[
        list[Annotated[str, Query(max_length=64)]],
        Query(max_length=50, description="pseudonyms of subjects; may be repeated"),
    ] = [],  # noqa: B006
    analyzer: Annotated[
        str | None,
        Query(max_length=97, description="name of the analyzer, or name and version: `grid 1`"),
    ] = None,
    verdict: Verdict | None = None,
    lesions: Annotated[
        bool | None, Query(description="whether the report of a head lists lesions, or none")
    ] = None,
    since: Annotated[Time | None, Query(description="arrived at this time or later")] = None,
    until: Annotated[Time | None, Query(description="arrived at this time or before")] = None,
    text: Annotated[
        Text | None, Query(description="beginning of the id or of the subject's pseudonym")
    ] = None,
    patient: Annotated[
        str | None,
        Query(
            max_length=64,
            description="id of a patient, whose scans of all pseudonyms are found; needs the right "
            "`personal`",
        ),
    ] = None,
) -> Asked:
    """The scans that the query parameters ask for.

    Raises:
        Problem: 403, the user may not know of patients; 404, there is no such patient.
    """
    subjects = tuple(dict.fromkeys(subject)) or None
    if patient is not None:
        mine = _pseudonyms_of(request, user, tenant, context, patient)
        subjects = mine if subjects is None else tuple(one for one in subjects if one in mine)
    return Asked(
        tenant,
        states=tuple(SHOWN[one] for one in dict.fromkeys(state)),
        pacs=tuple(dict.fromkeys(pacs)),
        subjects=subjects,
        also=patient is not None,
        since=since,
        until=until,
        analyzer=analyzer,
        verdict=verdict,
        lesions=lesions,
        text=text,
    )


AskedScans = Annotated[Asked, Depends(asked_of)]
"""The type of a route's parameter that gets the filter of a list of scans."""
