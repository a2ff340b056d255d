"""What Prometheus gets: requests by route, and what the store holds, read seldom."""

import asyncio

import pytest
from prometheus_client import generate_latest
from starlette.types import Message, Receive, Scope, Send

from common.errors import StoreUnavailable
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.scan_counts import ScanCounts
from common.store.unit_parts import web_parts
from fr_hub.web.emergency import EmergencyAlarm
from fr_hub.web.metrics import MeasuredApp, Metrics
from fr_hub.web.route_table import RouteTable
from fr_hub.web.routes import scans
from tests.factories import make_claimable, make_reports
from tests.profiling import examined


def text_of(metrics: Metrics) -> str:
    return generate_latest(metrics.registry).decode()


def test_the_store_is_read_once_in_a_while(store: DBManager) -> None:
    make_reports(store, 2)
    make_claimable(store, 1)
    metrics = Metrics(web_parts(store), EmergencyAlarm())
    first = text_of(metrics)
    assert 'fr_scans{state="done"} 2.0' in first
    assert 'fr_scans{state="waiting"} 1.0' in first
    assert 'fr_scans{state="failed"} 0.0' in first
    assert "fr_reports_undelivered 2.0" in first
    assert "fr_store_up 1.0" in first
    assert "fr_build_info{" in first
    with examined(store, *Collection) as read:
        assert text_of(metrics).count("fr_scans{") == 6
    assert read.commands == 0


def test_without_the_store_the_other_metrics_remain(
    store: DBManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: ScanCounts) -> dict[str, int]:
        raise StoreUnavailable("away")

    monkeypatch.setattr(ScanCounts, "by_state", away)
    found = text_of(Metrics(web_parts(store), EmergencyAlarm()))
    assert "fr_store_up 0.0" in found
    assert "fr_build_info{" in found
    assert "fr_scans{" not in found


def test_requests_are_counted_by_templates_and_known_methods(store: DBManager) -> None:
    async def app(scope: Scope, _: Receive, send: Send) -> None:
        if scope["path"] == "/broken":
            raise ValueError("broken")
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def call(method: str, path: str) -> None:
        async def receive() -> Message:
            return {"type": "http.request"}

        async def send(_: Message) -> None:
            pass

        scope = {"type": "http", "method": method, "path": path}
        await MeasuredApp(app, metrics, RouteTable([("", scans.router)]))(scope, receive, send)

    metrics = Metrics(web_parts(store), EmergencyAlarm())
    for method, path in (("GET", "/scans/a"), ("GET", "/scans/b"), ("SPY", "/x/1"), ("GET", "/y")):
        asyncio.run(call(method, path))
    with pytest.raises(ValueError, match="broken"):
        asyncio.run(call("GET", "/broken"))
    found = text_of(metrics)
    assert 'fr_web_requests_total{method="GET",route="/scans/{key}",status="200"} 2.0' in found
    assert 'fr_web_requests_total{method="other",route="other",status="200"} 1.0' in found
    assert 'fr_web_requests_total{method="GET",route="other",status="500"} 1.0' in found
    assert "/scans/a" not in found
    assert 'fr_web_request_seconds_count{method="GET",route="/scans/{key}"} 2.0' in found
