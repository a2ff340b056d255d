"""What Fr-HUB logs at startup about the durability of its acknowledgements, on a real MongoDB."""

import tempfile
from pathlib import Path

import pytest

from common.runtime.logger import get_log
from common.store.db_manager import DBManager
from common.store.server_status import ServerStatus
from fr_hub.durability import log_durability
from tests.factories import opened, own_mongod


def test_the_durability_of_an_acknowledgement_is_logged(capfd: pytest.CaptureFixture[str]) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="fr-") as name,
        own_mongod(Path(name)) as mongod,
        opened(mongod.uri, "fr") as store,
    ):
        log_durability(store.server, get_log())
    [line] = [x for x in capfd.readouterr().out.splitlines() if "acknowledgement durability" in x]
    assert "a single server, journaled" in line
    assert "standalone" in line


def test_each_weakness_of_the_deployment_is_a_warning(
    store: DBManager, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    status = ServerStatus("replica set", 1, "journaled", ("add members", "turn journaling on"))
    monkeypatch.setattr(store.server, "status", lambda: status)
    log_durability(store.server, get_log())
    logged = capfd.readouterr().out
    assert logged.count("MongoDB's setup weakens durability") == 2
    assert "add members" in logged
    assert "turn journaling on" in logged


def test_a_mongodb_that_has_become_unavailable_is_no_reason_not_to_start(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="fr-") as name,
        own_mongod(Path(name)) as mongod,
        opened(mongod.uri, "fr", timeout_s=1) as store,
    ):
        mongod.kill()
        log_durability(store.server, get_log())
    assert "acknowledgement durability is unknown" in capfd.readouterr().out
