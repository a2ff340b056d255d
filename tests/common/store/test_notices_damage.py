"""A damaged notice holds back no other."""

from datetime import timedelta

import pytest

from common.domain.types import utc_now
from common.store.collections import Collection
from common.store.db_manager import DBManager
from tests.common.store.damaged import DAMAGE, MISSING, UNDECODABLE, spoil
from tests.factories import document_of, edit, inside, make_failed

SCANS = Collection.SCANS


def leased(store: DBManager, limit: int = 20) -> dict[str, str]:
    found: dict[str, str] = {}
    while some := store.notices.lease("pacs-1", limit, 60):
        found.update((one.key, one.cause) for one in some)
        assert all(one.tries == 1 for one in some)
    return found


@pytest.mark.parametrize("limit", [1, 20])
@pytest.mark.parametrize(
    "field", ["error", "error.cause", "notice.tries", "notice.due_at", "notice.leased_by"]
)
def test_beside_damaged_notices_all_others_are_told(
    store: DBManager, field: str, limit: int
) -> None:
    # Without its time there is no notice; the scan is in the list of those that failed.
    damages = [one for one in DAMAGE if (field, one) != ("notice.due_at", MISSING)]
    good, *bad = make_failed(store, 1 + len(damages))
    for key, damage in zip(bad, damages, strict=True):
        spoil(store, SCANS, key, field, damage)
    found = leased(store, limit)
    assert found.keys() == {good, *bad}
    assert found[good] == "no brain in it"
    store.notices.mark_sent(list(found))
    assert "notice" not in document_of(store, good)


def test_a_cause_that_is_no_text_is_unknown(store: DBManager) -> None:
    found = make_failed(store, len(DAMAGE))
    for key, damage in zip(found, DAMAGE, strict=True):
        spoil(store, SCANS, key, "error.cause", damage)
    causes = leased(store)
    known = {one for one, damage in zip(found, DAMAGE, strict=True) if damage == "text"}
    assert {key for key, cause in causes.items() if cause == "text"} == known
    garbled = found[DAMAGE.index(UNDECODABLE)]
    assert {causes[key] for key in found if key not in known | {garbled}} == {"unknown"}


@pytest.mark.parametrize("name", [5, {"a": 1}, UNDECODABLE])
def test_the_notice_of_a_scan_without_a_key_is_removed(store: DBManager, name: object) -> None:
    bad, good = make_failed(store, 2)
    if name == UNDECODABLE:
        spoil(store, SCANS, bad, "_id", name)
    else:
        document = inside(store).find_one_and_delete({"_id": bad})
        assert document is not None
        inside(store).insert_one({**document, "_id": name})
    store.notices.lease("pacs-1", 1, 60)
    store.notices.lease("pacs-1", 1, 60)
    assert inside(store).count_documents({"notice": {"$exists": True}}) == 1
    assert "leased_by" in document_of(store, good)["notice"]


def test_a_lease_made_while_the_clock_was_ahead_is_over(store: DBManager) -> None:
    found = make_failed(store, 2)
    leased(store)
    for key in found:
        edit(store, key, **{"notice.due_at": utc_now() + timedelta(days=2)})
    again = store.notices.lease("pacs-1", 10, 60)
    assert {(one.key, one.tries) for one in again} == {(key, 2) for key in found}
