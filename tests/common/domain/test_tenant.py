"""A tenant owns its own sources and no others."""

import pytest
from pydantic import TypeAdapter, ValidationError

from common.domain.tenant import UPLOADS_OF_TENANTS, PacsName, tenants_of, uploads_source


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


@pytest.mark.parametrize("name", ["web", "web-north"])
def test_no_fr_pacs_has_the_name_of_uploads(name: str) -> None:
    with pytest.raises(ValidationError, match="uploaded"):
        TypeAdapter(PacsName).validate_python(name)


def test_the_names_of_uploads_are_a_range_that_no_fr_pacs_is_in() -> None:
    low, high = UPLOADS_OF_TENANTS
    for tenant in ("a", "north", "Z.9"):
        assert low <= uploads_source(tenant) < high
    for pacs in ("web.1", "webster", "pacs-1", "wea"):
        assert TypeAdapter(PacsName).validate_python(pacs) == pacs
        assert not low <= pacs < high
