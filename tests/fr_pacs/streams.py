"""A client of Fr-PACS that streams in a thread, and the Fr-HUB at its other end played by hand."""

import atexit
import contextlib
import itertools
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from common.domain.scan import BrainScan
from common.errors import SourceError
from common.runtime.logger import AvailabilityLog, RateLimitedLog, get_log
from common.runtime.run_totals import Totals
from common.settings.pacs import PacsSettings
from common.wire.blocking_connection import Channel
from common.wire.messages import Scan
from common.wire.protocol import Side
from fr_pacs.client import ScanClient
from fr_pacs.ledger import Ledger
from fr_pacs.rate_limit import RateLimitedSource
from fr_pacs.run_counts import RunCounter
from fr_pacs.sources.base import LoadedScan, Withdrawn
from tests.factories import make_scan
from tests.running import FRAME, POLICY, SECRET, SOON_S, answer, free_port


@cache
def _data_dir() -> Path:
    """Where the keys of these Fr-PACS are, until the tests end."""
    folder = tempfile.mkdtemp(prefix="fr-pacs-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def pacs_settings(**given: Any) -> PacsSettings:
    """Settings of a Fr-PACS of one thread."""
    values: dict[str, Any] = {
        "hub_port": free_port(),
        "pacs_port": free_port(),
        "threads": 1,
        "pacs_drain_s": 0.0,
        "data_dir": _data_dir(),
        "shared_secret": SecretStr(SECRET),
    }
    return PacsSettings(_env_file=None, **{**values, **given})  # type: ignore[call-arg]


class Hub:
    """Fr-HUB played by hand: nothing is answered that a test does not say."""

    def __init__(self, settings: PacsSettings) -> None:
        self._server = socket.create_server((settings.hub_host, settings.hub_port))
        self._server.settimeout(SOON_S)

    def accept(self, window: int = 100) -> Channel:
        """The next connection, greeted."""
        channel = self.accept_in_silence()
        channel.welcome("fr-hub", window)
        return channel

    def accept_in_silence(self) -> Channel:
        """The next connection; its hello waits for an answer."""
        connection, _ = self._server.accept()
        return Channel(connection, Side.SCAN_RECEIVER, FRAME, 60, POLICY)

    def __enter__(self) -> "Hub":
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()


def next_scan(channel: Channel) -> str:
    """The id of the scan that comes next."""
    event = answer(channel)
    assert isinstance(event, Scan), event
    return event.scan.scan_id


def next_scans(channel: Channel, count: int) -> list[str]:
    """The ids of the scans that come next."""
    return [next_scan(channel) for _ in range(count)]


class Planted:
    """A source of the given scans, of which some cannot be read or are withdrawn; it counts what
    was loaded."""

    def __init__(
        self,
        scans: list[tuple[BrainScan, bytes]],
        *,
        waits: bool = False,
        unreadable: tuple[int, ...] = (),
        withdrawn: tuple[int, ...] = (),
        endless: bool = False,
    ) -> None:
        self.total = None if endless else len(scans)
        self.waits = waits
        self.loaded = 0
        self._scans = scans
        self._unreadable = unreadable
        self._withdrawn = withdrawn
        self._endless = endless

    def __iter__(self) -> Iterator["PlantedTask"]:
        for number in itertools.count():
            if number < len(self._scans):
                scan, voxels = self._scans[number]
            elif self._endless:
                scan, voxels = make_scan(voxels=self._scans[0][1], shape=self._scans[0][0].shape)
            else:
                return
            yield PlantedTask(self, number, LoadedScan(scan, voxels))

    def load(self, task: "PlantedTask") -> LoadedScan:
        """Hand it out, or say why not."""
        if task.number in self._unreadable:
            raise SourceError("the file is cut")
        if task.number in self._withdrawn:
            raise Withdrawn("the file has changed")
        self.loaded += 1
        return task.scan


class PlantedTask:
    """One of them."""

    def __init__(self, source: Planted, number: int, scan: LoadedScan) -> None:
        self.number = number
        self.scan = scan
        self._source = source

    @property
    def label(self) -> str:
        """Its place in the source."""
        return f"planted {self.number}"

    def load(self) -> LoadedScan:
        """Load it."""
        return self._source.load(self)


def small_scans(count: int) -> list[tuple[BrainScan, bytes]]:
    """Scans that travel in one message."""
    return [make_scan() for _ in range(count)]


def ids_of(scans: list[tuple[BrainScan, bytes]]) -> list[str]:
    """Their ids."""
    return [scan.scan_id for scan, _ in scans]


class Stream:
    """A client in its thread, and what it says of its scans."""

    def __init__(self, settings: PacsSettings, source: Planted, ledger: Path | None) -> None:
        log = get_log()
        self._ledger = Ledger(ledger)
        self._limited_log = RateLimitedLog(log)
        self.counter = RunCounter(source.total, self._ledger, self._limited_log)
        self.stop = threading.Event()
        self.fatal: list[Exception] = []
        limited = RateLimitedSource(source, settings.scans, settings.rate)
        availability = AvailabilityLog(log, "Fr-HUB")
        client = ScanClient(
            settings, limited, self.counter, availability, self.stop, self.fatal.append, POLICY
        )
        self.thread = threading.Thread(target=client.run)

    @property
    def totals(self) -> Totals:
        """The counts so far."""
        return self.counter.totals()

    @property
    def counts(self) -> tuple[int, int, int]:
        """Scans sent, acknowledged and failed so far."""
        totals = self.totals
        return totals.sent, totals.acknowledged, totals.failed

    def ended(self, within_s: float = SOON_S) -> bool:
        """Whether the client comes to its end."""
        self.thread.join(within_s)
        return not self.thread.is_alive()

    def close(self) -> None:
        """Stop the client."""
        self.stop.set()
        assert self.ended()
        self._limited_log.flush()
        self._ledger.close()


@contextlib.contextmanager
def streaming(
    settings: PacsSettings, source: Planted, ledger: Path | None = None
) -> Iterator[Stream]:
    """A client that streams this source."""
    stream = Stream(settings, source, ledger)
    stream.thread.start()
    try:
        yield stream
    finally:
        stream.close()
