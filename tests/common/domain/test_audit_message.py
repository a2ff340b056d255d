"""Audit messages have the form and the codes of DICOM, and nothing that the event does not have."""

import re
from datetime import UTC, datetime
from xml.etree import ElementTree as Xml

import pytest

from common.domain.audit_events import Kind, event
from common.domain.audit_message import (
    SCANS_PER_MESSAGE,
    is_exported,
    messages,
)

WRITER = "fr-web-host-12-ab"


def parsed(xml: bytes) -> Xml.Element:
    return Xml.fromstring(xml)  # noqa: S314 - made by us


def message_of(kind: object, **facts: object) -> Xml.Element:
    made = {"kind": str(kind), "at": datetime(2026, 1, 31, 8, tzinfo=UTC), **facts}
    [found] = messages(made, WRITER, 7, "host")
    return parsed(found)


def code_in(root: Xml.Element, path: str) -> str | None:
    found = root.find(path)
    return None if found is None else found.get("csd-code")


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.ANCHOR])
def test_each_kind_of_event_becomes_a_message(kind: Kind) -> None:
    one = event(kind, ["s-1@pacs-1"], peer="pacs-1", outcome="done", facts={"by": "ada"})
    assert is_exported(one)
    [xml] = messages(one, WRITER, 7, "host")
    root = parsed(xml)
    assert [child.tag for child in root] == [
        "EventIdentification",
        "ActiveParticipant",
        "ActiveParticipant",
        "AuditSourceIdentification",
        "ParticipantObjectIdentification",
        "ParticipantObjectIdentification",
    ]
    identification = root[0]
    assert re.fullmatch(r"[CRUDE]", identification.attrib["EventActionCode"])
    assert identification.attrib["EventDateTime"].endswith("+00:00")
    assert [child.tag for child in identification if child.tag != "EventTypeCode"] == [
        "EventID",
        "EventOutcomeDescription",
    ]
    assert root[1].attrib["UserID"] == "ada"
    assert (root[1].attrib["NetworkAccessPointID"], root[2].attrib["UserID"]) == ("pacs-1", WRITER)
    assert [one.attrib["ParticipantObjectID"] for one in root[4:]] == ["s-1@pacs-1", f"{WRITER}/7"]


def test_an_anchor_is_not_exported() -> None:
    assert not is_exported(event(Kind.ANCHOR))


def test_an_event_of_many_scans_becomes_messages_that_each_receiver_takes() -> None:
    keys = [f"{n:064d}@{'p' * 64}" for n in range(3 * SCANS_PER_MESSAGE + 1)]
    made = list(messages(event(Kind.RECEIVE, keys, peer="p" * 64), "w" * 200, 10**9, "h" * 200))
    assert len(made) == 4
    assert max(map(len, made)) <= 32 * 1024
    named = [
        one.attrib["ParticipantObjectID"]
        for xml in made
        for one in parsed(xml).findall("ParticipantObjectIdentification")
    ]
    assert [key for key in named if "@" in key] == keys


def test_of_its_other_facts_an_event_tells_nothing() -> None:
    root = message_of(
        Kind.CHANGE, patient_id="p-1", tenant="north", request="r", via="changed", note="Ada L"
    )
    text = Xml.tostring(root, "unicode")
    assert "p-1" in text
    assert "north" in text
    assert "Ada L" not in text
    assert "changed" not in text


def test_text_from_elsewhere_is_escaped() -> None:
    root = message_of(Kind.REFUSE, cause='<a b="">\x00\x1b\u202e\ud800', peer="\r\nx")
    told = root.findtext("EventIdentification/EventOutcomeDescription")
    assert told == 'refuse: <a b="">\\x00\\x1b\\u202e\\ud800'
    assert root.find("ActiveParticipant").attrib["UserID"] == "\\r\\nx"  # type: ignore[union-attr]


def test_a_damaged_event_still_becomes_a_message() -> None:
    [xml] = messages({"kind": 3, "ids": 7, "at": "never"}, WRITER, 0, "host")
    assert b'EventOutcomeIndicator="8"' in xml
