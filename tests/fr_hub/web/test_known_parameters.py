"""A query parameter that a route does not take is refused, with the names of those it takes."""

import pytest

from common.domain.user import Role
from fr_hub.web.app import API
from tests.fr_hub.web.conftest import ClientOf


@pytest.mark.parametrize(
    ("path", "known"),
    [
        ("/scans?paitent=1", "known are after, analyzer, lesions, limit, pacs, patient"),
        ("/scans?limit=5&LIMIT=5", "known are after,"),
        ("/events?form=3", "known are from"),
        ("/scans/a@pacs-1?revision=1", "this address takes none"),
    ],
)
def test_an_unknown_parameter_is_refused(client_of: ClientOf, path: str, known: str) -> None:
    answer = client_of(Role.CLINICIAN).get(API + path)

    assert answer.status_code == 422, answer.text
    [error] = answer.json()["errors"]
    assert error["field"] == "query"
    assert error["message"].startswith("has an unknown parameter; ")
    assert known in error["message"]
    assert "paitent" not in answer.text
    assert "LIMIT" not in answer.text


def test_known_parameters_are_taken(client_of: ClientOf) -> None:
    client = client_of(Role.CLINICIAN)

    assert client.get(f"{API}/scans?limit=5&text=a&lesions=true").status_code == 200
    assert client.get(f"{API}/scans").status_code == 200


def test_addresses_of_other_services_ignore_it(client_of: ClientOf) -> None:
    answer = client_of(Role.SUBMITTER).get("/ecgs/a1/insights?wait=0&trace=1")

    assert answer.status_code == 404
