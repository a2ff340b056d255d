"""Who may read the metrics."""

from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from common.settings.web import WebSettings


def test_without_a_token_only_this_host_reads_them(app: FastAPI) -> None:
    with TestClient(app, client=("127.0.0.1", 5000)) as near:
        answer = near.get("/metrics")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/plain")
        near.get("/api/v1/scans/scan-1@pacs-1")
        near.get("/nothing/of/ours")
        found = near.get("/metrics").text
        assert 'route="/api/v1/scans/{key}",status="401"' in found
        assert 'route="other",status="404"' in found
        assert "scan-1" not in found
        assert "nothing" not in found
        proxied = near.get("/metrics", headers={"X-Forwarded-For": "192.0.2.7"})
        assert proxied.status_code == 403
    with TestClient(app, client=("192.0.2.7", 5000)) as far:
        assert far.get("/metrics").status_code == 403


@pytest.fixture
def web_settings(tmp_path: Path, request: pytest.FixtureRequest) -> WebSettings:
    if "with_a_token" not in request.function.__name__:
        return WebSettings(web_hosts=("testserver",), _env_file=None)  # type: ignore[call-arg]
    path = tmp_path / "token"
    path.write_text("m" * 40)
    path.chmod(0o600)
    return WebSettings(
        metrics_token_file=path,
        web_hosts=("testserver",),
        _env_file=None,  # type: ignore[call-arg]
    )


def test_with_a_token_whoever_has_it_reads_them(app: FastAPI) -> None:
    with TestClient(app, client=("192.0.2.7", 5000)) as far:
        for token, status in (("m" * 40, 200), ("m" * 39, 401), ("", 401), ("é", 401)):
            headers = {"Authorization": f"Bearer {token}".encode()}
            assert far.get("/metrics", headers=headers).status_code == status  # type: ignore[arg-type]
    with TestClient(app, client=("127.0.0.1", 5000)) as near:
        assert near.get("/metrics").status_code == 401
