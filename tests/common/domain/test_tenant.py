"""A tenant owns its own sources and no others."""

from common.domain.tenant import tenants_of, uploads_source


def test_the_default_tenant_has_what_no_other_has() -> None:
    tenants = tenants_of({"north": ("mr-1", "mr-2"), "south": ("ct-1",)})
    assert set(tenants) == {"default", "north", "south"}
    assert [name for name, one in tenants.items() if one.owns("mr-2")] == ["north"]
    assert [name for name, one in tenants.items() if one.owns("pacs-1")] == ["default"]


def test_uploads_belong_to_the_tenant_that_sent_them() -> None:
    tenants = tenants_of({"north": ("mr-1",)})
    for name in tenants:
        owners = [other for other, one in tenants.items() if one.owns(uploads_source(name))]
        assert owners == [name]
    assert not tenants["default"].owns("web-south")
