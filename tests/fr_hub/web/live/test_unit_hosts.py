"""Names of hosts are for those who operate the units."""

import pytest

from common.domain.user import Principal, Role
from common.store.feed_documents import Change, ChangeKind
from fr_hub.web.live.unit_hosts import id_without_host, sees_hosts, unit_of, without_host


@pytest.mark.parametrize("role", Role)
def test_operators_and_administrators_see_hosts(role: Role) -> None:
    seen = sees_hosts(Principal("ada", "default", frozenset({role})))
    assert seen == (role in (Role.OPERATOR, Role.ADMIN))


def test_a_change_of_a_unit_is_told_without_its_host() -> None:
    facts = {"unit": "fr-hub", "host": "node-7.example", "state": "running"}
    told = without_host(Change(ChangeKind.UNIT, ["node-7.example-12-ab12cd34"], facts))
    assert told.keys == ["ab12cd34"]
    assert told.facts == {"unit": "fr-hub", "state": "running"}
    assert id_without_host("ab12cd34") == "ab12cd34"


@pytest.mark.parametrize(
    ("process", "unit"),
    [
        ("fr-hub-node-7.example-12-ab12cd34", "fr-hub"),
        ("retention-node-7.example-12-ab12cd34", "retention"),
        ("node-7.example-12-3-ab12cd34", "fr-brain"),
    ],
)
def test_a_process_is_named_by_its_unit(process: str, unit: str) -> None:
    assert unit_of(process) == unit
