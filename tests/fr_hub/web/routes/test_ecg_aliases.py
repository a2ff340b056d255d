"""The calls of the two ECG services, as their documents have them, with credentials added: against
a web process, the store, and Fr-BRAIN."""

import contextlib
import json
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from common.commands.verify import verify
from common.domain.user import Role
from common.store.db_manager import DBManager
from fr_hub.web.passwords import Passwords
from tests.fr_hub.web.conftest import FAST, ClientOf
from tests.fr_hub.web.uploads.test_uploads_killed import Web
from tests.processes import start, stop
from tests.running import until

ADMIN_TOKEN = "0123456789abcdef" * 2
ADMIN, ADMIN_PASSWORD = "root", "an admin's password"

SIGNAL = """'{
    "leads": [
        {
            "name": "I",
            "number_of_samples": 8,
            "signal": [1, 0, -1, 0, 1, 0, 0, 1]
        }
    ]
}'"""


@pytest.fixture
def web(store: DBManager, tmp_path: Path) -> Iterator[Web]:
    token = tmp_path / "admin.token"
    token.write_text(ADMIN_TOKEN)
    token.chmod(0o600)
    store.users.add(ADMIN, "default", [Role.ADMIN], Passwords(FAST).hash_now(ADMIN_PASSWORD))
    running = Web(store, tmp_path / "data", ADMIN_TOKEN_FILE=str(token))
    try:
        yield running
    finally:
        stop(running.process)


@contextlib.contextmanager
def brain(store: DBManager) -> Iterator[None]:
    uri, name = store.connection.uri, store.connection.name
    process = start("fr_brain", None, MONGODB_URI=uri, MONGODB_DATABASE=name, BRAIN_PROCESSES="1")
    try:
        yield
    finally:
        assert stop(process) == 0


def curl(command: str) -> tuple[int, dict[str, Any], str]:
    """Status, JSON and headers of the answer to a call."""
    words = [*shlex.split(command), "--silent", "--include"]
    text = subprocess.run(words, capture_output=True, text=True, timeout=90, check=True).stdout
    headers, _, body = text.replace("\r\n", "\n").rpartition("\n\n")
    return int(headers.rpartition("HTTP/1.1 ")[2].split()[0]), json.loads(body), headers


def test_the_service_with_tokens(web: Web, store: DBManager) -> None:
    at = f"http://0.0.0.0:{web.port}"
    assert curl(f"curl '{at}/health/ping'")[0] == 200

    def registered(name: str) -> str:
        status, answer, _ = curl(
            f"curl --location '{at}/users' --header 'x-admin-token: {ADMIN_TOKEN}' "
            f"--header 'Content-Type: application/json' --data '{{ \"username\": \"{name}\" }}'"
        )
        assert (status, answer["username"], answer["roles"]) == (201, name, ["submitter"])
        return str(answer["token"])

    def send(token: str, body: str = SIGNAL) -> tuple[int, dict[str, Any], str]:
        return curl(
            f"curl --location '{at}/ecgs' --header 'x-user-token: {token}' "
            f"--header 'Content-Type: application/json' --data {body}"
        )

    def insights(token: str, query: str = "") -> tuple[int, dict[str, Any], str]:
        address = f"{at}/ecgs/{sent['id']}/insights{query}"
        return curl(f"curl --location '{address}' --header 'x-user-token: {token}'")

    token, other = registered("user"), registered("other")
    status, sent, _ = send(token)
    assert status == 201
    assert store.queries.count_states()["To Do"] == 1
    assert send(ADMIN_TOKEN)[0] == 401
    status, answer, headers = insights(token)
    assert (status, answer["id"], answer["state"]) == (202, sent["id"], "waiting")
    assert "retry-after: 1" in headers
    assert insights(other)[0] == 404
    with brain(store):
        status, answer, _ = insights(token, "?wait=60")
        assert status == 200
        assert answer["leads"] == [{"name": "I", "zero_crossings": 2}]
        assert answer["analyzer"]["name"] == "ecg"
        assert insights(other)[0] == 404
        # The same recording of another user is another ECG.
        assert send(other)[1]["id"] == sent["id"]
        assert insights(other, "?wait=60")[0] == 200
        until(lambda: store.queries.count_reports()[False] == 0)
    assert verify(store, deep=True).gaps == 0
    status, answer, _ = send(token, SIGNAL.replace("8,", "9,"))
    assert (status, "number_of_samples" in answer["detail"]) == (422, True)


def test_the_service_with_passwords(web: Web, store: DBManager) -> None:
    at = f"http://localhost:{web.port}"
    admin, user = f"{ADMIN}:{ADMIN_PASSWORD}", "jane:a password of jane"
    register = (
        f"curl '{at}/v1/admin/register_user' -H 'Content-Type: application/json' "
        f'-d \'{{"username": "jane", "password": "a password of jane"}}\' -u '
    )
    assert curl(register + shlex.quote(admin))[0] == 201
    assert curl(register + shlex.quote(user))[0] == 403
    send = f"curl '{at}/v1/ecgs' -H 'Content-Type: application/json' -d {SIGNAL} -u "
    status, sent, _ = curl(send + shlex.quote(user))
    assert status == 201
    for path in (f"/v1/ecgs/{sent['id']}", f"/v1/ecgs/{sent['id']}/insights", "/api/v1/ecgs"):
        assert curl(f"curl '{at}{path}' -u {shlex.quote(admin)}")[0] == 403
    assert curl(send + shlex.quote(admin))[0] == 403
    # Nor does the administrator find it among the scans.
    assert curl(f"curl '{at}/api/v1/scans' -u {shlex.quote(admin)}")[1]["items"] == []
    with brain(store):
        got = f"curl '{at}/v1/ecgs/{sent['id']}/insights?wait=60' -u {shlex.quote(user)}"
        status, answer, _ = curl(got)
    assert (status, answer["leads"][0]["zero_crossings"]) == (200, 2)
    assert answer["findings"]["kind"] == "ecg"


def test_an_address_tells_which_methods_it_takes(client_of: ClientOf, stranger: TestClient) -> None:
    client = client_of(Role.SUBMITTER)
    for path, methods in {"/users": "POST", "/v1/ecgs": "POST", "/ecgs/ab": "GET"}.items():
        answer = client.put(path)
        assert (answer.status_code, answer.headers["allow"]) == (405, methods)
    assert stranger.post("/users", json={"username": "eve"}).status_code == 401
