"""What clients are sent."""

import json

from common.domain.states import ReportGenerated
from common.store.feed_documents import (
    Change,
    ChangeKind,
    Step,
    measurement_changed,
    scans_changed,
)
from fr_hub.web.live.messages import events_of, message, time_of, told


def test_a_scans_event_has_no_more_than_clients_need() -> None:
    change = scans_changed(
        ["a@p-1"], ReportGenerated.DONE, Step.ENDED, fence=3, priority="stat", revision=2
    )
    ((_, event),) = events_of(change, 7, 1_500_000)
    assert event == {
        "n": 7,
        "at": "1970-01-01T00:00:01.500Z",
        "kind": "scan",
        "key": "a@p-1",
        "pacs": "p-1",
        "state": "done",
        "priority": "stat",
        "revision": 2,
    }


def test_a_measurements_event_names_ids_alone() -> None:
    ((_, event),) = events_of(measurement_changed("m-1", "north", "p-1", "created"), 7, 0)
    assert (event["id"], event["patient_id"], event["state"]) == ("m-1", "p-1", "created")
    assert "north" not in str(event)
    ((_, event),) = events_of(measurement_changed("", "north", "p-1", "deleted"), 7, 0)
    assert event["id"] is None


def test_a_units_event_says_which_and_where() -> None:
    change = Change(ChangeKind.UNIT, ["u"], {"unit": "fr-hub", "host": "h", "state": "running"})
    ((_, event),) = events_of(change, 7, 0)
    assert (event["id"], event["unit"], event["host"], event["version"]) == (
        "u",
        "fr-hub",
        "h",
        None,
    )


def test_only_the_last_of_several_has_the_position() -> None:
    sent = message(9, [told("ready", 1), told("reset", 2)])
    first, last, end = sent.server_sent.decode().split("\n\n")
    assert first.startswith("event: ready\ndata: ")
    assert last.startswith("id: 9\ndata: ")
    assert ("id:" in first, end) == (False, "")
    assert json.loads(sent.text) == {
        "position": 9,
        "events": [{"n": 1, "kind": "ready"}, {"n": 2, "kind": "reset"}],
    }


def test_a_message_without_events_tells_the_position() -> None:
    sent = message(9, [])
    assert sent.server_sent == b": 9\nid: 9\n\n"
    assert json.loads(sent.text) == {"position": 9, "events": []}
    assert sent.size == len(sent.server_sent) + len(sent.text)


def test_no_time_is_too_large() -> None:
    assert time_of(2**53 * 1000).startswith("1970")
