"""Events of the audit trail as audit messages: XML of DICOM PS3.15 A.5, as IHE ATNA asks.

A message says what happened (``EventIdentification``), who took part (``ActiveParticipant``), who
recorded it (``AuditSourceIdentification``) and what it was about
(``ParticipantObjectIdentification``). It has what the event has and nothing about a patient but
ids that Fr made: keys of scans, and the id of a patient where the trail has one.

Scans, entries of the trail and routes are no objects of DICOM: their types are codes of Fr's own.
"""

import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree as Xml

from common.domain.audit_codes import CODES, class_of, outcome_of
from common.domain.audit_events import Kind
from common.domain.foreign_text import escape

SCANS_PER_MESSAGE = 64
"""The most scans that a message names, so that it fits into 32 KiB, which each receiver must take.
An event of more scans becomes several messages."""

_TEXT_LONGEST = 300


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
    found = class_of(event)
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
