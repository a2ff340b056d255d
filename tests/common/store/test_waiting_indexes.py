"""Walks over the keys of the waiting scans."""

from common.store.db_manager import DBManager
from common.store.exact_bson import Undecodable
from common.store.schema import SCHEMA_VERSION
from common.store.waiting_indexes import between, lower, prefixes, upper
from tests.common.store.damage_kinds import NOT_UTF8, damage
from tests.factories import edit, inside, make_claimable
from tests.profiling import examined


def test_each_lane_comes_once_and_no_document_is_read(store: DBManager) -> None:
    make_claimable(store, 5)
    make_claimable(store, 3, scan_type="volume")
    make_claimable(store, 2, pacs="pacs-2", scan_type="volume")
    with examined(store) as read:
        assert list(prefixes(inside(store), 3)) == [
            (False, "pacs-1", "grid"),
            (False, "pacs-1", "volume"),
            (False, "pacs-2", "volume"),
        ]
    assert (read.commands, read.documents) == (4, 0)


def test_only_what_begins_with_the_given_values_comes(store: DBManager) -> None:
    make_claimable(store, 1)
    make_claimable(store, 1, pacs="pacs-2")
    assert list(prefixes(inside(store), 3, False, "pacs-2")) == [(False, "pacs-2", "grid")]
    assert list(prefixes(inside(store), 2, True)) == []


def test_keys_of_wrong_types_come_too_and_newer_documents_do_not(store: DBManager) -> None:
    one, two, three, newer = make_claimable(store, 4)
    edit(store, one.key, scan="damaged")
    edit(store, two.key, **{"scan.scan_type": 7})
    edit(store, three.key, attempts="many")
    edit(store, newer.key, schema=SCHEMA_VERSION + 1)
    assert list(prefixes(inside(store), 4)) == [
        (False, None, None, 0),
        (False, "pacs-1", 7, 0),
        (False, "pacs-1", "grid", "many"),
    ]


def test_text_that_is_not_utf8_comes_as_it_is_and_leads_to_its_scan(store: DBManager) -> None:
    first, damaged, last = make_claimable(store, 3)
    edit(store, last.key, **{"scan.pacs": "\U0010ffff"})
    damage(store, damaged.key, "scan.pacs", "not UTF-8")
    lanes = list(prefixes(inside(store), 3))
    assert [lane[1] for lane in lanes] == ["pacs-1", "\U0010ffff", Undecodable(NOT_UTF8)]
    found = [between(inside(store), lower(*lane), upper(*lane), 9) for lane in lanes]
    assert found == [[{"_id": first.key}], [{"_id": last.key}], [{"_id": damaged.key}]]


def test_of_many_scans_between_two_keys_only_the_first_come(store: DBManager) -> None:
    make_claimable(store, 150)
    assert len(between(inside(store), lower(), upper(), 120)) == 120
