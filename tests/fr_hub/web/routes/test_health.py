"""Health is told to anyone."""

from fastapi.testclient import TestClient

from common.store.db_manager import DBManager


def test_a_process_that_runs_answers(stranger: TestClient) -> None:
    assert stranger.get("/health/ping").json() == {"status": "ok"}


def test_it_is_ready_when_the_store_has_this_schema(stranger: TestClient, store: DBManager) -> None:
    assert stranger.get("/health/ready").status_code == 200
    store.connection.meta.update_one({"_id": "_schema"}, {"$set": {"version": 99}})
    answer = stranger.get("/health/ready")
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
