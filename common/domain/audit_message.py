"""Events of the audit trail as audit messages: XML of DICOM PS3.15 A.5, as IHE ATNA asks.

A message says what happened (``EventIdentification``), who took part (``ActiveParticipant``), who
recorded it (``AuditSourceIdentification``) and what it was about
(``ParticipantObjectIdentification``). It has what the event has and nothing about a patient but
ids that Fr made: keys of scans, and the id of a patient where the trail has one.

The codes of events are DICOM's (PS3.16, CID 400 and 401). Scans, entries of the trail and routes
are no objects of DICOM, so their types are codes of Fr's own.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree as Xml

from common.domain.audit_events import Kind
from common.domain.foreign_text import escape

SCANS_PER_MESSAGE = 64
"""The most scans that a message names, so that it fits into 32 KiB, which each receiver must take.
An event of more scans becomes several messages."""

SUCCESS, MINOR, SERIOUS = 0, 4, 8
"""``EventOutcomeIndicator``: it succeeded; it failed or was refused; the system failed."""

_TEXT_LONGEST = 300

CODES: Mapping[str, str] = {
    "110100": "Application Activity",
    "110101": "Audit Log Used",
    "110103": "DICOM Instances Accessed",
    "110104": "DICOM Instances Transferred",
    "110105": "DICOM Study Deleted",
    "110106": "Export",
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
class _Class:
    """How a kind of event is classified: code, action (create, read, update, delete, execute) and
    code of the type."""

    code: str
    action: str
    type: str | None = None


_ACCESS, _TRANSFER, _DELETE, _PATIENT = "110103", "110104", "110105", "110110"
_ALERT, _SIGN_IN = "110113", "110114"

_KINDS: Mapping[str, _Class] = {
    Kind.OPENED: _Class("110100", "E", "110120"),
    Kind.CLOSED: _Class("110100", "E", "110121"),
    Kind.CHECKPOINT: _Class("110101", "U"),
    Kind.CONNECT: _Class("110108", "E", "110124"),
    Kind.REFUSE: _Class(_ALERT, "E", "110126"),
    Kind.RECEIVE: _Class(_TRANSFER, "C"),
    Kind.UNANSWERED: _Class(_TRANSFER, "C"),
    Kind.CONFLICT: _Class(_TRANSFER, "C"),
    Kind.CLAIM: _Class(_ACCESS, "R"),
    Kind.RELEASE: _Class(_ACCESS, "R"),
    Kind.REPORT: _Class(_ACCESS, "C"),
    Kind.SEND: _Class(_TRANSFER, "R"),
    Kind.UNDELIVERABLE: _Class(_TRANSFER, "R"),
    Kind.REDELIVER: _Class(_ACCESS, "U"),
    Kind.NOTIFY: _Class(_TRANSFER, "R"),
    Kind.ERROR: _Class(_ACCESS, "R"),
    Kind.REQUEUE: _Class(_ACCESS, "U"),
    Kind.SCHEDULE_REANALYSIS: _Class(_ACCESS, "U"),
    Kind.PRIORITY: _Class(_ACCESS, "U"),
    Kind.RETENTION: _Class(_DELETE, "D"),
    Kind.ERASE: _Class(_DELETE, "D"),
    Kind.SIGN_IN: _Class(_SIGN_IN, "E", "110122"),
    Kind.SIGN_OUT: _Class(_SIGN_IN, "E", "110123"),
    Kind.EMERGENCY: _Class(_ALERT, "E", "110127"),
    Kind.QUERY: _Class("110112", "E"),
    Kind.VIEW: _Class(_ACCESS, "R"),
    Kind.EXPORT: _Class("110106", "R"),
    Kind.CHANGE: _Class(_ACCESS, "U"),
    Kind.DELETE: _Class(_ACCESS, "D"),
}
_UNKNOWN = _Class(_ALERT, "E")
"""Of an event that a later release wrote, and of an entry that is damaged: somebody should look."""

_OF_ROUTES: tuple[tuple[tuple[str, ...], _Class], ...] = (
    (("/audit",), _Class("110101", "R")),
    (("/patient", "/measurement"), _Class(_PATIENT, "R")),
    (("/users", "/user", "/tokens", "/register_user"), _Class(_ALERT, "E", "110137")),
)
"""Requests of routes with these parts, whatever their kind."""

_ACTIONS = {"POST": "C", "PUT": "U", "PATCH": "U", "DELETE": "D"}
_FAILED = {
    Kind.REFUSE: MINOR,
    Kind.CONFLICT: MINOR,
    Kind.UNANSWERED: SERIOUS,
    Kind.UNDELIVERABLE: SERIOUS,
    Kind.ERROR: SERIOUS,
}


def is_exported(event: Mapping[str, Any]) -> bool:
    """Whether an event becomes messages: all do but anchors, which only tie chains together."""
    return event.get("kind") != Kind.ANCHOR


def messages(event: Mapping[str, Any], writer: str, seq: int, site: str) -> Iterator[bytes]:
    """The messages of an event: one, or one for each ``SCANS_PER_MESSAGE`` scans.

    Args:
        event: as stored in an entry; of one that is damaged, what is left.
        writer: of the chain that has the entry.
        seq: of the entry.
        site: name of the host that sends the message.

    Returns:
        XML in UTF-8, without a declaration.
    """
    ids = event.get("ids")
    scans = [key for key in ids if isinstance(key, str)] if isinstance(ids, list) else []
    for n in range(max(1, math.ceil(len(scans) / SCANS_PER_MESSAGE))):
        some = scans[n * SCANS_PER_MESSAGE :][:SCANS_PER_MESSAGE]
        yield Xml.tostring(_message(event, f"{writer}/{seq}", writer, some, site), "utf-8")


def time_of(event: Mapping[str, Any]) -> datetime:
    """When an event happened; 1970 if it does not say so."""
    at = event.get("at")
    return at if isinstance(at, datetime) else datetime.fromtimestamp(0, UTC)


def outcome_of(event: Mapping[str, Any]) -> int:
    """``SUCCESS``, ``MINOR`` or ``SERIOUS``."""
    kind = str(event.get("kind"))
    if kind not in _KINDS:
        return SERIOUS
    status = event.get("status")
    if "route" in event and kind != Kind.REFUSE:
        if not isinstance(status, int) or status >= 500:
            return SERIOUS
        return SUCCESS if status < 400 else MINOR
    return _FAILED.get(Kind(kind), SUCCESS)


def _message(
    event: Mapping[str, Any], entry: str, writer: str, scans: list[str], site: str
) -> Xml.Element:
    root = Xml.Element("AuditMessage")
    _identify(root, event)
    _name_participants(root, event, writer)
    source = Xml.SubElement(root, "AuditSourceIdentification")
    if (tenant := _text(event, "tenant")) is not None:
        source.set("AuditEnterpriseSiteID", tenant)
    source.set("AuditSourceID", site)
    Xml.SubElement(source, "AuditSourceTypeCode", {"csd-code": "4"})
    for key in scans:
        _add_object(root, key, ("2", "3"), ("scan", "99FR", "Key of a scan"))
    if (patient := _text(event, "patient_id")) is not None:
        _add_object(root, patient, ("1", "1"), ("2", "RFC-3881", "Patient Number"))
    if (account := _text(event, "account")) is not None:
        _add_object(root, account, ("1", "11"), ("11", "RFC-3881", "User Identifier"))
    if (route := _text(event, "route")) is not None:
        _add_object(root, route, ("2", "24"), ("12", "RFC-3881", "URI"))
    _add_object(root, entry, ("2", "13"), ("entry", "99FR", "Entry of the audit trail"))
    return root


def _identify(root: Xml.Element, event: Mapping[str, Any]) -> None:
    found = _class_of(event)
    identification = Xml.SubElement(
        root,
        "EventIdentification",
        {
            "EventActionCode": found.action,
            "EventDateTime": time_of(event).astimezone(UTC).isoformat(timespec="milliseconds"),
            "EventOutcomeIndicator": str(outcome_of(event)),
        },
    )
    _add_code(identification, "EventID", found.code)
    if found.type is not None:
        _add_code(identification, "EventTypeCode", found.type)
    kind = escape(str(event.get("kind")), _TEXT_LONGEST)
    told = [text for name in ("outcome", "cause") if (text := _text(event, name))]
    if count := event.get("count"):
        told.append(f"{count} times")
    about = Xml.SubElement(identification, "EventOutcomeDescription")
    about.text = ": ".join([kind, *told])


def _class_of(event: Mapping[str, Any]) -> _Class:
    kind = str(event.get("kind"))
    found = _KINDS.get(kind, _UNKNOWN)
    method, _, path = (_text(event, "route") or "").partition(" ")
    if not path or kind in (Kind.SIGN_IN, Kind.SIGN_OUT):
        return found
    if kind == Kind.REFUSE:
        return _Class(_ALERT, "E", "110132")
    for parts, its in _OF_ROUTES:
        if any(part in path for part in parts):
            is_read = kind in (Kind.QUERY, Kind.VIEW, Kind.EXPORT)
            if its.code == _ALERT:
                return found if is_read else its
            return its if is_read else _Class(its.code, _ACTIONS.get(method, "U"))
    return found


def _name_participants(root: Xml.Element, event: Mapping[str, Any], writer: str) -> None:
    user, peer = _text(event, "by"), _text(event, "peer")
    if user is not None or peer is not None:
        who = Xml.SubElement(
            root,
            "ActiveParticipant",
            {"UserID": user or peer or "", "UserIsRequestor": "true"},
        )
        if peer is not None:
            is_address = set(peer) <= set("0123456789abcdefABCDEF.:") and set(peer) & set(".:")
            who.set("NetworkAccessPointID", peer)
            who.set("NetworkAccessPointTypeCode", "2" if is_address else "1")
        _add_code(who, "RoleIDCode", "110153")
    unit = Xml.SubElement(
        root,
        "ActiveParticipant",
        {"UserID": escape(writer, _TEXT_LONGEST), "UserIsRequestor": "false"},
    )
    _add_code(unit, "RoleIDCode", "110150")


def _add_object(
    root: Xml.Element, key: str, kind: tuple[str, str], type_code: tuple[str, str, str]
) -> None:
    found = Xml.SubElement(
        root,
        "ParticipantObjectIdentification",
        {
            "ParticipantObjectID": escape(key, _TEXT_LONGEST),
            "ParticipantObjectTypeCode": kind[0],
            "ParticipantObjectTypeCodeRole": kind[1],
        },
    )
    code, system, meaning = type_code
    Xml.SubElement(
        found,
        "ParticipantObjectIDTypeCode",
        {"csd-code": code, "codeSystemName": system, "originalText": meaning},
    )


def _add_code(above: Xml.Element, name: str, code: str) -> None:
    codes = {"csd-code": code, "codeSystemName": "DCM", "originalText": CODES[code]}
    Xml.SubElement(above, name, codes)


def _text(event: Mapping[str, Any], name: str) -> str | None:
    """A field of an event, without what XML cannot hold."""
    value = event.get(name)
    return None if value is None else escape(str(value), _TEXT_LONGEST)
