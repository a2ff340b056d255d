"""Metrics for Prometheus: requests of this process, and what the store holds.

Nothing in them is personal. The values of labels are few: templates of addresses, never addresses.
"""

import time
from collections.abc import Iterator
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common.domain.states import SHOWN, shown
from common.domain.types import utc_now
from common.errors import StoreError
from common.runtime.kept_value import KeptValue
from common.store.unit_parts import WebStore
from fr_hub.web.emergency import EmergencyAlarm
from fr_hub.web.route_table import RouteTable

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_OTHER = "other"
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60)


class Metrics:
    """The metrics of one process.

    Args:
        store: what the gauges of scans and reports read, at most every few seconds.
        emergency: counts the uses of emergency accounts.
    """

    def __init__(self, store: WebStore, emergency: EmergencyAlarm) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "fr_web_requests",
            "Requests answered",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "fr_web_request_seconds",
            "Time from a request to the end of its answer",
            ("method", "route"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        about = Gauge("fr_build_info", "The release", ("version",), registry=self.registry)
        about.labels(version("fr")).set(1)
        self.registry.register(_StoreCollector(store))
        self.registry.register(_AlarmCollector(emergency))

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request.

        Args:
            method: of HTTP.
            route: the template of its address, such as ``/scans/{key}``: below ``/api/v1``.
            status: of the answer.
            seconds: it took.
        """
        known = method if method in _METHODS else _OTHER
        self._requests.labels(known, route, str(status)).inc()
        self._seconds.labels(known, route).observe(seconds)


class MeasuredApp:
    """Middleware that counts requests by the route that answers them.

    Args:
        app: what answers.
        metrics: where they are counted.
        table: the routes.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, table: RouteTable) -> None:
        self._app = app
        self._metrics = metrics
        self._table = table

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, status = time.monotonic(), 500

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, counted)
        finally:
            # Not from the router: a request that is refused before has a route, too.
            route = self._table.find(scope)
            name = _OTHER if route is None or not route.template.startswith("/") else route.template
            seconds = time.monotonic() - start
            self._metrics.answered(scope["method"], name, status, seconds)


class _AlarmCollector(Collector):
    def __init__(self, emergency: EmergencyAlarm) -> None:
        self._emergency = emergency

    def collect(self) -> Iterator[Metric]:
        """How often emergency accounts were used."""
        yield CounterMetricFamily(
            "fr_emergency_uses", "Uses of emergency accounts", value=self._emergency.count
        )


class _StoreCollector(Collector):
    def __init__(self, store: WebStore) -> None:
        self._store = store
        self._found = KeptValue(self._look)

    def describe(self) -> list[Metric]:
        """Nothing: else the store would be read when this is registered."""
        return []

    def collect(self) -> Iterator[Metric]:
        """What the store holds, or only that it cannot be reached."""
        up = GaugeMetricFamily("fr_store_up", "Whether the database answers")
        try:
            found = self._found.get()
        except StoreError:
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        yield from found

    def _look(self) -> list[Metric]:
        scans = GaugeMetricFamily("fr_scans", "Scans by state", labels=("state",))
        by_state = dict.fromkeys(SHOWN, 0)
        for state, number in self._store.scan_counts.by_state().items():
            if shown(state) in by_state:
                by_state[shown(state)] += number
        for name, number in by_state.items():
            scans.add_metric([name], number)
        oldest = self._store.scan_counts.oldest_waiting_at()
        age = 0.0 if oldest is None else max(0.0, (utc_now() - oldest).total_seconds())
        return [
            scans,
            GaugeMetricFamily(
                "fr_oldest_waiting_seconds", "Age of the oldest scan that waits", value=age
            ),
            GaugeMetricFamily(
                "fr_reports_undelivered",
                "Reports that no Fr-PACS has yet",
                value=self._store.undelivered_count.count(),
            ),
        ]
