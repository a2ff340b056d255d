"""What stands for a user in the ids of their ECGs."""

from datetime import UTC, datetime, timedelta, timezone

from pydantic import TypeAdapter

from common.domain.account import (
    ACCOUNT_DIGITS,
    account_in,
    account_key,
    account_of,
    account_scan_id,
    ecg_id_of,
)
from common.domain.tenant import tenants_of
from common.domain.types import Identifier

AT = datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC)
ECG = "0123456789abcdef" * 2


def test_it_is_the_same_for_one_user_and_another_for_a_later_one_of_the_name() -> None:
    account = account_of("ada", AT)
    assert len(account) == ACCOUNT_DIGITS
    assert account_of("ada", AT.astimezone(timezone(timedelta(hours=5)))) == account
    others = {account_of("eve", AT), account_of("ada", AT + timedelta(milliseconds=1))}
    assert len({account, *others}) == 3


def test_an_ecg_has_one_id_for_the_user_and_one_in_the_store() -> None:
    account = account_of("ada", AT)
    key = account_key("north", account, ECG)
    assert ecg_id_of(key) == ECG
    TypeAdapter(Identifier).validate_python(account_scan_id(account, ECG))
    scan_id, _, source = key.partition("@")
    assert account_in(scan_id, source) == account
    for other in ("web-north", "web", "mr-1"):
        assert account_in(scan_id, other) is None


def test_no_tenant_owns_the_ecgs_of_accounts() -> None:
    tenants = tenants_of({"north": ("mr-1",), "south": ()})
    pacs = account_key("north", account_of("ada", AT), ECG).partition("@")[2]
    assert not any(one.owns(pacs) for one in tenants.values())
    assert [name for name, one in tenants.items() if one.of_accounts().owns(pacs)] == ["north"]
