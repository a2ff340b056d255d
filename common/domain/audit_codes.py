"""How events of the audit trail are classified for DICOM: the messages of PS3.15 A.5.3, with the
codes of PS3.16, CID 400 and 401.

A request of the API is classified by what its route is about: scans, patients, users or the trail.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from common.domain.audit_events import ASKED_FOR, Kind

SUCCESS, MINOR, SERIOUS = 0, 4, 8
"""``EventOutcomeIndicator``: it succeeded; it failed or was refused; the system failed."""

CODES: Mapping[str, str] = {
    "110100": "Application Activity",
    "110101": "Audit Log Used",
    "110103": "DICOM Instances Accessed",
    "110104": "DICOM Instances Transferred",
    "110105": "DICOM Study Deleted",
    "110106": "Export",
    "110107": "Import",
    "110108": "Network Entry",
    "110110": "Patient Record",
    "110112": "Query",
    "110113": "Security Alert",
    "110114": "User Authentication",
    "110120": "Application Start",
    "110121": "Application Stop",
    "110122": "Login",
    "110123": "Logout",
    "110124": "Attach",
    "110126": "Node Authentication",
    "110127": "Emergency Override Started",
    "110132": "Use of Restricted Function",
    "110137": "User Security Attributes Changed",
    "110150": "Application",
    "110152": "Destination Role ID",
    "110153": "Source Role ID",
}
"""The codes of DICOM that messages have, and their meanings."""


@dataclass(frozen=True, slots=True)
class EventClass:
    """How a kind of event is classified: code, action (create, read, update, delete, execute) and
    code of the type."""

    code: str
    action: str
    type: str | None = None


_AUDIT, _ACCESS, _TRANSFER, _DELETE = "110101", "110103", "110104", "110105"
_EXPORT, _IMPORT, _PATIENT, _QUERY = "110106", "110107", "110110", "110112"
_ALERT, _SIGN_IN = "110113", "110114"

_KINDS: Mapping[str, EventClass] = {
    Kind.OPENED: EventClass("110100", "E", "110120"),
    Kind.CLOSED: EventClass("110100", "E", "110121"),
    Kind.CHECKPOINT: EventClass(_AUDIT, "R"),
    Kind.CONNECT: EventClass("110108", "E", "110124"),
    Kind.REFUSE: EventClass(_ALERT, "E", "110126"),
    Kind.RECEIVE: EventClass(_TRANSFER, "C"),
    Kind.UNANSWERED: EventClass(_TRANSFER, "C"),
    Kind.CONFLICT: EventClass(_TRANSFER, "C"),
    Kind.CLAIM: EventClass(_ACCESS, "R"),
    Kind.RELEASE: EventClass(_ACCESS, "R"),
    Kind.REPORT: EventClass(_ACCESS, "C"),
    Kind.SEND: EventClass(_TRANSFER, "R"),
    Kind.UNDELIVERABLE: EventClass(_TRANSFER, "R"),
    Kind.REDELIVER: EventClass(_ACCESS, "U"),
    Kind.NOTIFY: EventClass(_TRANSFER, "R"),
    Kind.ERROR: EventClass(_ACCESS, "R"),
    Kind.REQUEUE: EventClass(_ACCESS, "U"),
    Kind.SCHEDULE_REANALYSIS: EventClass(_ACCESS, "U"),
    Kind.PRIORITY: EventClass(_ACCESS, "U"),
    Kind.RETENTION: EventClass(_DELETE, "D"),
    Kind.ERASE: EventClass(_DELETE, "D"),
    Kind.SIGN_IN: EventClass(_SIGN_IN, "E", "110122"),
    Kind.SIGN_OUT: EventClass(_SIGN_IN, "E", "110123"),
    Kind.EMERGENCY: EventClass(_ALERT, "E", "110127"),
    Kind.QUERY: EventClass(_QUERY, "E"),
    Kind.VIEW: EventClass(_ACCESS, "R"),
    Kind.EXPORT: EventClass(_EXPORT, "R"),
    Kind.CHANGE: EventClass(_ACCESS, "U"),
    Kind.DELETE: EventClass(_ACCESS, "D"),
}
_UNKNOWN = EventClass(_ALERT, "E")
"""Of an event that a later release wrote, and of an entry that is damaged: somebody should look."""

_LOGIN = EventClass(_SIGN_IN, "E", "110122")
_RESTRICTED = EventClass(_ALERT, "E", "110132")
_USER_CHANGED = EventClass(_ALERT, "E", "110137")
_QUERIED = EventClass(_QUERY, "E")

_READS = frozenset({Kind.QUERY, Kind.VIEW, Kind.EXPORT})
_REQUESTS = _READS | {Kind.CHANGE, Kind.DELETE}

_PERSONAL = frozenset({"patient", "patients", "measurements"})
_USERS = frozenset({"users", "tokens", "admin", "session"})
_SCANS = frozenset({"scans", "ecgs"})
"""First parts of routes, below ``/api/v1`` or ``/v1``."""

_ACTIONS = {"POST": "C", "PUT": "U", "PATCH": "U", "DELETE": "D"}
_FAILED = {
    Kind.REFUSE: MINOR,
    Kind.CONFLICT: MINOR,
    Kind.UNANSWERED: SERIOUS,
    Kind.UNDELIVERABLE: SERIOUS,
    Kind.ERROR: SERIOUS,
}


def class_of(event: Mapping[str, Any]) -> EventClass:
    """How an event is classified.

    Args:
        event: as stored in an entry; of one that is damaged, what is left.
    """
    kind = str(event.get("kind"))
    found = _KINDS.get(kind, _UNKNOWN)
    method, _, path = str(event.get("route") or "").partition(" ")
    about, rest = _about(path)
    if kind == Kind.REFUSE:
        if not path:
            return found
        return _LOGIN if about == "session" and method == "POST" else _RESTRICTED
    if kind not in _REQUESTS:
        return found
    if not path:  # of a command, or of a change that was completed later
        about = "users" if "account" in event else "patients" if "patient_id" in event else about
    if about == "audit":
        return EventClass(_AUDIT, "R")
    if about in _PERSONAL:
        return EventClass(_PATIENT, _action(kind, method))
    if about in _SCANS and kind != Kind.QUERY:
        return found if kind in _READS else _change_of_scans(kind, rest)
    if kind in _READS:
        return found if kind == Kind.EXPORT and about == "reports.csv" else _QUERIED
    if about in _USERS:
        return _USER_CHANGED
    return EventClass(_IMPORT, "C") if about == "uploads" else found


def _about(path: str) -> tuple[str, str]:
    """What a route is about, and the rest of its path."""
    for prefix in ("/api", "/v1"):
        path = path.removeprefix(prefix) if path.startswith(prefix + "/") else path
    about, _, rest = path.removeprefix("/").partition("/")
    return about, rest


def _action(kind: str, method: str) -> str:
    if kind in _READS:
        return "R"
    return "D" if kind == Kind.DELETE else _ACTIONS.get(method, "U")


def _change_of_scans(kind: str, rest: str) -> EventClass:
    if kind == Kind.DELETE or rest == "erase":
        return EventClass(_DELETE, "D")
    return EventClass(_ACCESS, "U") if rest else EventClass(_IMPORT, "C")


def outcome_of(event: Mapping[str, Any]) -> int:
    """``SUCCESS``, ``MINOR`` or ``SERIOUS``."""
    kind = str(event.get("kind"))
    if kind not in _KINDS:
        return SERIOUS
    status = event.get("status")
    if event.get("outcome") == ASKED_FOR:
        return SUCCESS
    if "route" in event and kind != Kind.REFUSE:
        if not isinstance(status, int) or status >= 500:
            return SERIOUS
        return SUCCESS if status < 400 else MINOR
    return _FAILED.get(Kind(kind), SUCCESS)
