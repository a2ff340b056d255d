"""A scan is sent back with its next revision, recorded, and only if it can be analysed again."""

import bson
import pytest

from common.domain.states import ReportGenerated
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.recording import UNRECORDED
from common.store.sending_back import SendingBack
from tests.common.store.studies import done
from tests.factories import document_of, edit, inside, state_of

BECAUSE = "because", "$of this"


def schedule(store: DBManager, key: str, revision: int = 1) -> bool:
    sending_back = SendingBack(store.connection, UNRECORDED)
    return sending_back.schedule(key, revision, "volume 10", "a cause", BECAUSE)


def test_it_waits_for_the_next_revision_and_says_why(store: DBManager) -> None:
    key = done(store, "one", "flair").key
    assert schedule(store, key)
    stored = document_of(store, key)
    assert (state_of(store, key), stored["revision"]) == (ReportGenerated.TO_DO, 2)
    assert stored["because"] == "$of this"  # not a field's value
    assert "analyzer_chosen" not in stored
    assert not schedule(store, key)  # it has another revision by now
    assert document_of(store, key) == stored


def test_a_choice_for_an_earlier_reanalysis_is_replaced(store: DBManager) -> None:
    key = done(store, "one", "flair").key
    edit(store, key, analyzer_chosen="other 1", lease_until=0)
    assert schedule(store, key)
    stored = document_of(store, key)
    assert stored["analyzer_chosen"] == "volume 10"
    assert "lease_until" not in stored


@pytest.mark.parametrize("lack", ["voxels", "revision", "retention"])
def test_others_stay_as_they_are(store: DBManager, lack: str) -> None:
    key = done(store, "one", "flair").key
    if lack == "voxels":
        inside(store, Collection.SCANS).update_one({"_id": key}, {"$unset": {"voxels": 1}})
    if lack == "retention":
        edit(store, key, purging_since=0)
    before = document_of(store, key)
    assert not schedule(store, key, revision=2 if lack == "revision" else 1)
    assert document_of(store, key) == before


def fill_up(store: DBManager, key: str) -> None:
    """Make the document of a scan as large as MongoDB allows."""
    free = 16 * 1024 * 1024 - len(bson.encode(document_of(store, key)))
    edit(store, key, also="x" * (free - 20))


def test_a_scan_with_many_revisions_stays_as_it_is(store: DBManager) -> None:
    key = done(store, "one", "flair").key
    edit(store, key, revision=50)
    assert not schedule(store, key, revision=50)
    edit(store, key, revision=49)
    assert schedule(store, key, revision=49)


def test_a_document_that_cannot_be_changed_stays_as_it_is(store: DBManager) -> None:
    key = done(store, "one", "flair").key
    fill_up(store, key)
    assert not schedule(store, key)
    assert state_of(store, key) == ReportGenerated.DONE
