"""What belongs to a tenant: the condition of a query and the rule of the tenant agree."""

import pytest

from common.domain.scan_key import scan_key
from common.domain.tenant import tenants_of
from common.store.db_manager import DBManager
from common.store.tenancy import is_owned, owned, these_of, this_of
from tests.factories import inside

TENANTS = tenants_of({"north": ("mr.1", "mr-2"), "south": ("ct-1",)})
SOURCES = ("mr.1", "mrx1", "mr-2", "mr-22", "ct-1", "other", "web", "web-north", "web-south", "we")


@pytest.mark.parametrize("name", TENANTS)
def test_a_query_finds_what_the_tenant_owns_and_nothing_else(store: DBManager, name: str) -> None:
    tenant = TENANTS[name]
    keys = [scan_key("scan", source) for source in SOURCES]
    inside(store).insert_many([{"_id": key} for key in (*keys, "nobodys", "scan@")])
    mine = {scan_key("scan", source) for source in SOURCES if tenant.owns(source)}
    assert {d["_id"] for d in inside(store).find({"_id": owned(tenant)})} == mine
    assert {d["_id"] for d in inside(store).find(these_of(tenant, keys))} == mine
    for key in (*keys, "nobodys"):
        assert is_owned(tenant, key) == (key in mine)
        assert (inside(store).find_one(this_of(tenant, key)) is not None) == (key in mine)
