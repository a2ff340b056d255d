"""What a route asks for is known before its function runs."""

import pytest
from fastapi import APIRouter, WebSocket

from common.domain.audit_events import Kind
from common.domain.user import Right
from fr_hub.web.access import anyone, live, recorded_as, requires, signed_in
from fr_hub.web.route_table import RouteTable, kind_of


def found(table: RouteTable, method: str, path: str, kind: str = "http") -> object:
    route = table.find({"type": kind, "method": method, "path": path})
    return None if route is None else (route.name, route.access, route.right, route.kind)


def test_a_route_is_found_by_method_and_path() -> None:
    router = APIRouter(prefix="/things")

    @router.get("/{key}", dependencies=[requires(Right.READ)])
    @router.delete("/{key}", dependencies=[requires(Right.OPERATE)])
    def one(key: str) -> None:
        """Read or delete."""

    @router.post("/list", dependencies=[signed_in(), recorded_as(Kind.QUERY)])
    def several() -> None:
        """List."""

    @router.get("/live/events", dependencies=[requires(Right.READ), live()])
    def events() -> None:
        """Stream."""

    @router.websocket("/ws", dependencies=[anyone()])
    async def socket(_: WebSocket) -> None:
        """Stream."""

    table = RouteTable([("/api", router)], ["/api/openapi.json"])
    assert found(table, "GET", "/api/things/a@b") == (
        "GET /api/things/{key}",
        "right",
        Right.READ,
        Kind.VIEW,
    )
    assert found(table, "DELETE", "/api/things/a@b") == (
        "DELETE /api/things/{key}",
        "right",
        Right.OPERATE,
        Kind.DELETE,
    )
    assert found(table, "POST", "/api/things/list") == (
        "POST /api/things/list",
        "user",
        None,
        Kind.QUERY,
    )
    assert found(table, "GET", "/api/things/live/events") == (
        "GET /api/things/live/events",
        "right",
        Right.READ,
        None,
    )
    assert found(table, "", "/api/things/ws", "websocket") is not None
    assert found(table, "GET", "/api/openapi.json") == (
        "GET /api/openapi.json",
        "anyone",
        None,
        None,
    )
    assert found(table, "PUT", "/api/things/a@b") is None
    assert found(table, "GET", "/api/things/a/b") is None
    assert found(table, "GET", "/index.html") == ("GET document", "anyone", None, None)
    assert found(table, "POST", "/index.html") is None
    assert table.methods_of("/api/things/a@b") == ["DELETE", "GET"]
    assert table.methods_of("/api/things/list") == ["POST"]
    assert table.methods_of("/api/things/ws") == ["DELETE", "GET"]  # as a key
    assert table.methods_of("/api/else") == []
    route = table.find({"type": "http", "method": "GET", "path": "/api/things/a@b"})
    assert route is not None
    assert route.parameters("/api/things/a@b") == {"key": "a@b"}
    assert route.parameters("/elsewhere") == {}


def test_a_route_that_says_not_who_may_use_it_is_refused() -> None:
    router = APIRouter()

    @router.get("/open")
    def route() -> None:
        """Forgotten."""

    with pytest.raises(TypeError, match="/open does not say who"):
        RouteTable([("", router)])


@pytest.mark.parametrize(
    ("method", "template", "kind"),
    [
        ("GET", "/scans", Kind.QUERY),
        ("GET", "/scans/{key}", Kind.VIEW),
        ("GET", "/scans/{key}/voxels.nii", Kind.EXPORT),
        ("GET", "/reports.csv", Kind.EXPORT),
        ("POST", "/scans/requeue", Kind.CHANGE),
        ("POST", "/patients/search", Kind.QUERY),
        ("POST", "/patient/list", Kind.QUERY),
        ("POST", "/patient/delete/{patient_id}", Kind.DELETE),
        ("PATCH", "/users/{name}", Kind.CHANGE),
        ("DELETE", "/users/{name}", Kind.DELETE),
        ("WEBSOCKET", "/events/ws", None),
    ],
)
def test_the_kind_of_an_event_follows_from_the_route(
    method: str, template: str, kind: Kind | None
) -> None:
    assert kind_of(method, template) is kind
