"""What a stored scan or report lacks is named, and nothing of a sound one."""

from collections.abc import Mapping
from typing import Any

import bson
import pytest
from bson.raw_bson import RawBSONDocument

from common.store.collections import Collection
from common.store.damage import decoded
from common.store.db_manager import DBManager
from common.store.schema import SCHEMA_VERSION
from common.store.stored_types import is_readable, problems_of_report, problems_of_scan
from tests.factories import document_of, make_claimable, make_failed, make_reports


def changed(document: Any, change: Mapping[str, Any]) -> Any:
    """A copy with these fields; those that are ``...`` are removed."""
    made = {**document, **change}
    return {name: value for name, value in made.items() if value is not ...}


def undecodable(document: Any, text: bytes) -> Any:
    return decoded(RawBSONDocument(bson.encode(document).replace(text, b"\xff" * len(text))))


def test_sound_documents_have_no_problem_in_any_state(store: DBManager) -> None:
    keys = [report.key for report in make_reports(store, 1)] + make_failed(store, 1)
    waiting, held = (scan.key for scan in make_claimable(store, 2))
    [claim] = store.claims.claim("a", 1, 60)
    assert claim.key in (waiting, held)
    for key in (*keys, waiting, held):
        assert list(problems_of_scan(document_of(store, key))) == []
    assert list(problems_of_report(document_of(store, keys[0], Collection.REPORTS))) == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"schema": ...}, "'schema' is missing or has the wrong type, so no unit takes it"),
        ({"schema": "2"}, "'schema' is missing or has the wrong type, so no unit takes it"),
        (
            {"schema": SCHEMA_VERSION + 1},
            f"'schema' is {SCHEMA_VERSION + 1}, so only a newer release takes it",
        ),
        ({"turn_at": ...}, "'turn_at' is missing"),
        ({"attempts": True}, "'attempts' has the wrong type"),
        ({"fence": "x"}, "'fence' has the wrong type"),
        ({"revision": "x"}, "'revision' has the wrong type"),
        ({"blob": "x"}, "'blob' has the wrong type"),
        ({"packing": "x"}, "'packing' has the wrong type"),
        ({"scan": "round"}, "its header is damaged, or of a newer release"),
        ({"scan": ...}, "its header is damaged, or of a newer release"),
        ({"_id": "another@pacs-1"}, "its header is that of another scan"),
        ({"_id": "b\ufffd"}, "its id cannot be decoded, so no unit ever reads it"),
    ],
)
def test_the_problem_of_a_damaged_scan_is_named(
    store: DBManager, change: dict[str, Any], problem: str
) -> None:
    [scan] = make_claimable(store, 1)
    assert list(problems_of_scan(changed(document_of(store, scan.key), change))) == [problem]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"status": 1}, "'status' has the wrong type"),
        ({"status": ...}, "'status' is missing"),
        ({"tries": "many"}, "'tries' has the wrong type"),
        (
            {"schema": SCHEMA_VERSION + 1},
            f"'schema' is {SCHEMA_VERSION + 1}, so only a newer release takes it",
        ),
        ({"report": "round"}, "it has no content"),
        ({"_id": "b\ufffd"}, "its id cannot be decoded, so no unit ever reads it"),
    ],
)
def test_the_problem_of_a_damaged_report_is_named(
    store: DBManager, change: dict[str, Any], problem: str
) -> None:
    [report] = make_reports(store, 1)
    stored = document_of(store, report.key, Collection.REPORTS)
    assert list(problems_of_report(changed(stored, change))) == [problem]


def test_bytes_that_cannot_be_decoded_are_a_problem(store: DBManager) -> None:
    [scan] = make_claimable(store, 1, subject="sub-01")
    found = undecodable(document_of(store, scan.key), b"sub-01")
    assert "it has bytes that cannot be decoded" in list(problems_of_scan(found))


def test_failed_scans_and_unknown_states_are_named_elsewhere(store: DBManager) -> None:
    [scan] = make_claimable(store, 1)
    stored = document_of(store, scan.key)
    for state in ("Error", "Purged", "Erased", "Lost", 3, None):
        assert list(problems_of_scan({**stored, "report_generated": state, "scan": 1})) == []


def test_an_id_with_the_character_for_what_was_not_decoded_is_unreadable() -> None:
    assert is_readable("scan-1@pacs-1")
    assert not is_readable("scan-\ufffd@pacs-1")
