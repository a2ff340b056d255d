"""What changes something is answered only when the audit trail has it."""

import pytest
from fastapi import APIRouter
from fastapi.testclient import TestClient
from starlette.requests import ClientDisconnect, Request

from common.audit.verification import AuditVerifier
from common.audit.writer import AuditWriter
from common.domain.user import Right, Role
from common.store.db_manager import DBManager
from common.store.documents import NewScan
from fr_hub.web import app as application
from fr_hub.web.access import note_fact, note_scans, requires
from fr_hub.web.app import API
from fr_hub.web.context import WebContext
from tests.factories import make_scan
from tests.fr_hub.web.conftest import ClientOf
from tests.fr_hub.web.test_every_route import events


@pytest.fixture
def things(monkeypatch: pytest.MonkeyPatch) -> None:
    """Further routes."""
    router = APIRouter(prefix="/things")

    @router.get("/{key}", dependencies=[requires(Right.READ)])
    def view(key: str, request: Request) -> None:
        """View a thing."""
        note_fact(request, level=2)
        if key == "broken":
            raise ValueError("Ada")

    @router.post("/lost", dependencies=[requires(Right.OPERATE)])
    async def lost() -> None:
        """Lose the client."""
        raise ClientDisconnect

    @router.post("/several", dependencies=[requires(Right.OPERATE)])
    def several(request: Request) -> None:
        """Change several."""
        note_scans(request, ["a@pacs-1", "b@pacs-1"])

    monkeypatch.setattr(application, "ROUTERS", (*application.ROUTERS, router))


@pytest.mark.usefixtures("things")
def test_an_event_names_the_scans_and_what_the_route_adds(
    client_of: ClientOf, context: WebContext
) -> None:
    client = client_of(Role.OPERATOR)
    client.get(f"{API}/things/a@pacs-1")
    client.get(f"{API}/things/Ada%20Lovelace")
    client.post(f"{API}/things/several")
    first, second, third = events(context)
    assert (first["ids"], first["level"], first["outcome"]) == (["a@pacs-1"], 2, "done")
    assert "ids" not in second
    assert "Lovelace" not in str(second)
    assert (third["ids"], third["kind"]) == (["a@pacs-1", "b@pacs-1"], "change")
    assert (third["peer"], third["via"]) == ("testclient", "token")


@pytest.mark.usefixtures("things")
def test_an_error_that_nobody_foresaw_is_an_event_and_tells_nothing(
    client_of: ClientOf, context: WebContext
) -> None:
    answer = client_of(Role.READER).get(f"{API}/things/broken")
    assert (answer.status_code, answer.json()["code"]) == (500, "unexpected")
    assert "Ada" not in answer.text
    (one,) = events(context)
    assert one["status"] == 500


def test_equal_requests_are_an_event_each(client_of: ClientOf, context: WebContext) -> None:
    client = client_of(Role.READER)
    for _ in range(5):
        client.get(f"{API}/scans")
    assert len(list(events(context))) == 5


def test_a_change_is_answered_only_when_its_event_is_durable(
    client_of: ClientOf, context: WebContext
) -> None:
    client = client_of(Role.ADMIN)
    body = {"name": "bob", "roles": ["reader"]}
    assert client.post(f"{API}/users", json=body).status_code == 201
    stored = context.store.audit_log.ends("")
    assert isinstance(context.audit, AuditWriter)
    last = context.store.audit_log.entries(
        context.audit.writer, stored[context.audit.writer] - 1, 10_000
    )
    assert [one["kind"] for entry in last for one in entry["events"]] == ["change"]
    assert context.audit.close()  # as when the trail cannot be written
    answer = client.post(f"{API}/users", json={**body, "name": "eve"})
    assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
    assert client.get(f"{API}/users/eve").status_code == 404


def test_the_trail_of_requests_passes_its_verification(
    store: DBManager, client_of: ClientOf, context: WebContext
) -> None:
    scan, voxels = make_scan(pacs="pacs-1")
    store.recorded_by(context.audit).scans.add([NewScan(scan, voxels)])
    client = client_of(Role.ADMIN)
    client.get(f"{API}/scans")
    client.get(f"{API}/audit", params={"scan": scan.key})
    TestClient(client.app).get(f"{API}/scans")
    assert isinstance(context.audit, AuditWriter)
    context.audit.close()
    verdict = AuditVerifier(store).run()
    assert verdict.problems.count == 0
    assert verdict.events["query"] == 2


@pytest.mark.usefixtures("things")
def test_a_request_whose_client_left_is_an_event_too(
    client_of: ClientOf, context: WebContext
) -> None:
    client = client_of(Role.OPERATOR)
    with pytest.raises(AssertionError):  # of the client: there is no answer
        client.post(f"{API}/things/lost")
    (one,) = events(context)
    assert (one["kind"], one["outcome"], one.get("status")) == ("change", "unanswered", None)
