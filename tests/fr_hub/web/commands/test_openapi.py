"""``fr openapi``: the document that the API serves, without a database."""

import json

import pytest
from fastapi.testclient import TestClient

from fr_hub.web.app import API
from fr_hub.web.commands.openapi import main


def test_the_command_prints_the_document_that_the_api_serves(
    stranger: TestClient, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["fr openapi"])  # else it reads pytest's own arguments
    main()
    assert json.loads(capsys.readouterr().out) == stranger.get(f"{API}/openapi.json").json()
