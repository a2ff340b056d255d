"""The documents of the feed: what changed, without personal data. No I/O.

A document is ``{_id, w, s, at, e}``: the writer, the number among the documents of that writer, the
time in microseconds since 1970 by the server's clock, and the changes, each
``[kind, keys, facts]``.
``o`` marks the first document of a writer that announces itself, and ``x`` its last one. A document
without changes says that its writer is alive, and up to which number it has written.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from common.domain.states import ReportGenerated, shown
from common.domain.types import Document
from common.store.damage import whole


class ChangeKind(StrEnum):
    """What changed. Stored: never renamed."""

    SCAN = "scan"  # facts: state, priority, revision, and its place in the scan's life
    LOOK = "look"  # scans of which the reader looks up what they are now
    REPORT = "report"  # facts: state, revision; without a revision, the reader looks it up
    MEASUREMENT = "measurement"  # facts: tenant, patient, state
    UNIT = "unit"  # facts: unit, host, version, state


REMOVED = "removed"
"""The state of a scan that is not stored any more: its upload was not completed."""


class Step(StrEnum):
    """How a scan came to be as it is, for the order of events of different writers."""

    NEW = "n"
    CLAIMED = "c"
    ENDED = "e"


_RANKS = {Step.NEW: 0, Step.CLAIMED: 1, Step.ENDED: 2}
_REPORT_RANKS = {"ready": 0, "undeliverable": 1, "delivered": 2}


@dataclass(frozen=True, slots=True)
class Change:
    """A change of some things that are alike.

    Args:
        kind: what changed.
        keys: which ones: keys of scans, or ids.
        facts: what they are now.
    """

    kind: ChangeKind
    keys: Sequence[str]
    facts: Mapping[str, Any] = field(default_factory=dict)

    def packed(self) -> list[Any]:
        """As it is stored."""
        return [str(self.kind), list(self.keys), dict(self.facts)]


def scans_changed(
    keys: Sequence[str],
    state: ReportGenerated,
    step: Step,
    *,
    fence: int,
    priority: str | None = None,
    revision: int | None = None,
) -> Change:
    """Scans that are in this state from now on.

    Args:
        keys: of the scans.
        state: as stored.
        step: how they came to be in it.
        fence: of the claim, which each claim raises: events of an earlier one are late.
        priority: of the scans.
        revision: of the report that they have.
    """
    facts: Document = {"state": shown(state), "step": str(step), "fence": fence}
    if priority is not None:
        facts["priority"] = priority
    if revision is not None:
        facts["revision"] = revision
    return Change(ChangeKind.SCAN, keys, facts)


def scans_to_look_up(keys: Iterable[str]) -> Change:
    """Scans that changed in a way that their writer does not know: readers look them up."""
    return Change(ChangeKind.LOOK, [key for key in keys if isinstance(key, str)])


def reports_changed(keys: Sequence[str], state: str, revision: int | None = None) -> Change:
    """Reports: ``'ready'``, ``'delivered'`` or ``'undeliverable'``.

    Without a revision, readers look up what the reports are by then: for a writer that does not
    know the revision, and for reports that are ``'ready'`` once more, which is no step back.
    """
    facts: Document = {"state": state}
    if revision is not None:
        facts["revision"] = revision
    return Change(ChangeKind.REPORT, keys, facts)


def measurement_changed(measurement: str, tenant: str, patient: str, state: str) -> Change:
    """A measurement of a patient that was ``'created'`` or ``'deleted'``; one without an id stands
    for all of the patient's."""
    facts = {"tenant": tenant, "patient": patient, "state": state}
    return Change(ChangeKind.MEASUREMENT, [measurement], facts)


def place_of(change: Change) -> tuple[int, int] | None:
    """The place of an event in the life of its scan or report, for comparison; None: it has
    none."""
    facts = change.facts
    if change.kind is ChangeKind.REPORT:
        revision, rank = whole(facts.get("revision")), _REPORT_RANKS.get(str(facts.get("state")))
        return None if revision is None or rank is None else (revision, rank)
    fence, step = whole(facts.get("fence")), facts.get("step")
    if fence is None or step not in tuple(Step):
        return None
    return fence, _RANKS[Step(step)]


def unpacked(stored: object) -> list[Change] | None:
    """The changes of a document; None if it is damaged."""
    if stored is None:
        return []
    if not isinstance(stored, list):
        return None
    found: list[Change] = []
    for one in stored:
        match one:
            case [str(kind), list(keys), dict(facts)] if all(isinstance(k, str) for k in keys):
                if kind not in tuple(ChangeKind):
                    continue  # of a later release
                found.append(Change(ChangeKind(kind), keys, facts))
            case _:
                return None
    return found
