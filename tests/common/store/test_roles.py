"""The privileges of the units; what MongoDB makes of them is in ``commands/test_roles.py``."""

import pytest

from common.store.collections import Collection
from common.store.roles import PRIVILEGES

PERSONAL = {Collection.PATIENTS, Collection.MEASUREMENTS}


@pytest.mark.parametrize("unit", PRIVILEGES)
def test_no_unit_can_change_or_remove_an_entry_of_the_audit_trail(unit: str) -> None:
    # The administrator removes what was archived.
    removing = {"update"} if unit == "migrate" else {"update", "remove"}
    assert not removing & set(PRIVILEGES[unit][Collection.AUDIT])


@pytest.mark.parametrize("unit", sorted(set(PRIVILEGES) - {"migrate"}))
def test_no_unit_can_create_or_drop_anything(unit: str) -> None:
    actions = {action for actions in PRIVILEGES[unit].values() for action in actions}
    assert actions <= {"find", "insert", "update", "remove"}


def test_the_reader_only_reads() -> None:
    assert {action for actions in PRIVILEGES["reader"].values() for action in actions} == {"find"}
    accounts = {Collection.USERS, Collection.TOKENS, Collection.SESSIONS, Collection.REQUESTS}
    assert set(PRIVILEGES["reader"]) == set(Collection) - PERSONAL - accounts


@pytest.mark.parametrize("unit", sorted(set(PRIVILEGES) - {"web", "migrate"}))
def test_personal_data_is_for_the_api_alone(unit: str) -> None:
    assert PERSONAL.isdisjoint(PRIVILEGES[unit])


def test_who_migrates_cannot_read_personal_data() -> None:
    for name in PERSONAL:
        assert "find" not in PRIVILEGES["migrate"][name]


def test_fr_brain_neither_inserts_nor_removes_a_scan() -> None:
    assert set(PRIVILEGES["brain"][Collection.SCANS]) == {"find", "update"}
    removing = {name for name, actions in PRIVILEGES["brain"].items() if "remove" in actions}
    assert removing == {Collection.AUDIT_OPEN}  # no part of the trail


def test_fr_hub_writes_no_report() -> None:
    assert "insert" not in PRIVILEGES["hub"][Collection.REPORTS]


def test_an_operator_inserts_nothing_but_events_and_notifications() -> None:
    inserting = {name for name, actions in PRIVILEGES["operator"].items() if "insert" in actions}
    told = {Collection.NOTIFICATIONS, Collection.EVENTS}
    assert inserting == {Collection.AUDIT, Collection.AUDIT_OPEN, *told}
