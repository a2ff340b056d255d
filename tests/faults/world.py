"""A world to break: a MongoDB, proxies, several of each unit, at load; and what is known of it."""

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from common.audit.verification import AuditVerifier
from common.commands.verify import verify
from common.domain.types import HUB_NAME
from common.errors import StoreError
from common.store.db_manager import DBManager
from tests.factories import migrate
from tests.faults.bounds import LIMITS, Usage, usage_of
from tests.faults.checker import Content, Counts, Expected, Violation, Window, check, count
from tests.faults.cluster import Cluster, Slot
from tests.faults.deliveries import DeliveryReader, recorded_receipts
from tests.faults.evidence import (
    CompletionReader,
    LedgerReader,
    LedgerRecord,
    history_of,
    read_store,
)
from tests.faults.identities import identities
from tests.faults.loads import FILES, Load
from tests.faults.mongods import Mongod, ReplicaSet
from tests.faults.proxy import Loop, Proxy
from tests.faults.requeue import requeue_killed
from tests.faults.schedule import Security
from tests.faults.truth import Truths
from tests.running import free_port, listens

DATABASE = "fr"

LEASE_S = 3.0
"""A claim's. Ten times shorter than usual, so that a stopped Fr-BRAIN loses it soon."""

RECOVERS_S = 120.0
"""After a fault everything acknowledged must arrive within this: a bound, not a measure. A hub's
outbox lease alone lasts 10 s, and the machine may be busy."""

STARTS_S = 90.0
"""The first reports of all Fr-PACS are there within this."""

UNITS = ("fr_pacs", "fr_hub", "fr_brain", "fr_web")

UPLOADS = "web"
"""In the place of a Fr-PACS of scans that were uploaded."""


class World:
    """All of it. The names of its slots: ``pacs-1``, ``hub-1``, ``brain-1`` and so on.

    Args:
        folder: for ledgers, logs and completions.
        database: the MongoDB, started.
        loads: one for each Fr-PACS; these share the hubs.
        hubs, brains: how many; a Fr-BRAIN has one processor here.
        webs: instances of the API.
        bug: planted into the units, if any.
        security: of the connections between Fr-PACS and Fr-HUB.
        settings: of all units.
    """

    def __init__(
        self,
        folder: Path,
        database: Mongod | ReplicaSet,
        loads: Iterable[Load],
        *,
        hubs: int = 2,
        brains: int = 2,
        webs: int = 0,
        bug: str = "",
        security: Security = Security.NONE,
        **settings: str,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.database = database
        self.expected = Expected()
        self.cluster = Cluster(folder, bug)
        self._loop = Loop()
        self.mongo_proxy: Proxy | None = None
        """Between the units and MongoDB: a replica set's members name each other, so there it has
        no place."""
        uri = database.uri
        if isinstance(database, Mongod):
            self.mongo_proxy = Proxy(self._loop, database.port)
            uri = f"mongodb://127.0.0.1:{self.mongo_proxy.port}/?directConnection=true"
        self.to_hub: dict[str, Proxy] = {}
        self.to_pacs: dict[str, Proxy] = {}
        self.readers: dict[str, LedgerReader] = {}
        self._security = security
        self._compose(list(loads), hubs, brains, uri, settings)
        self.web_ports: list[int] = []
        if webs:
            self._compose_webs(webs, uri)
        self.completions = CompletionReader(self.cluster.completions)
        records = [folder / f"{name}.records" for name in self.readers]
        self.truths = Truths(path.with_suffix(".made") for path in records)
        self.deliveries = DeliveryReader(path.with_suffix(".delivered") for path in records)
        self.store = DBManager(database.uri, DATABASE, 20)
        self.requeued = 0
        self.usage = Usage({}, {}, {}, 0)
        """What the units have used, once the world is accounted for."""
        self._checked: set[str] = set()

    def _compose(
        self, loads: list[Load], hubs: int, brains: int, uri: str, settings: dict[str, str]
    ) -> None:
        common = {
            "MONGODB_URI": uri,
            "MONGODB_DATABASE": DATABASE,
            "MONGODB_TIMEOUT_S": "5",
            "IDLE_TIMEOUT_S": "6",
            "LOG_FORMAT": "json",
            "HUB_DISK_FREE_MIB": "0",  # a disk is to become full
            **LIMITS,
            **settings,
        }
        pacs = {f"pacs-{n}": (free_port(), load) for n, load in enumerate(loads, 1)}
        pacs["files"] = free_port(), FILES
        self.to_pacs = {
            name: Proxy(self._loop, port, seed)
            for seed, (name, (port, _)) in enumerate(pacs.items())
        }
        known = ",".join(f"{name}=127.0.0.1:{proxy.port}" for name, proxy in self.to_pacs.items())
        identity = identities(self._security, self.folder / "certs", HUB_NAME, *pacs)
        ports = [free_port() for _ in range(hubs)]
        for n, port in enumerate(ports, 1):
            self.cluster.add(
                f"hub-{n}",
                "fr_hub",
                **common,
                **identity[HUB_NAME],
                HUB_PORT=str(port),
                HUB_PACS=known,
            )
        for n in range(1, brains + 1):
            self.cluster.add(
                f"brain-{n}",
                "fr_brain",
                **{
                    **common,
                    "BRAIN_PROCESSES": "1",
                    "BRAIN_LEASE_S": f"{LEASE_S:g}",
                    # What a claim that is lost holds up comes back one by one.
                    "BRAIN_BATCH": "50",
                    **settings,
                },
            )
        for n, (name, (port, load)) in enumerate(pacs.items()):
            self.to_hub[name] = Proxy(self._loop, ports[n % hubs], 100 + n)
            ledger = self.folder / f"{name}.jsonl"
            self.readers[name] = LedgerReader(name, ledger, endless=load.endless)
            slot = self.cluster.add(
                name,
                "fr_pacs",
                **common,
                **identity[name],
                **load.settings(self.folder, n + 1),
                PACS_NAME=name,
                PACS_PORT=str(port),
                HUB_PORT=str(self.to_hub[name].port),
                LEDGER=str(ledger),
            )
            slot.once = not load.endless

    def _compose_webs(self, webs: int, uri: str) -> None:
        for n in range(1, webs + 1):
            self.web_ports.append(free_port())
            self.cluster.add(
                f"web-{n}",
                "fr_web",
                MONGODB_URI=uri,
                MONGODB_DATABASE=DATABASE,
                MONGODB_TIMEOUT_S="5",
                LOG_FORMAT="json",
                HUB_DISK_FREE_MIB="0",
                WEB_PORT=str(self.web_ports[-1]),
                DATA_DIR=str(self.web_data),
            )
        ledger = self.folder / f"{UPLOADS}.jsonl"
        self.readers[UPLOADS] = LedgerReader(UPLOADS, ledger, endless=False)

    @property
    def web_data(self) -> Path:
        """DATA_DIR of the instances of the API."""
        return self.folder / "web-data"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def slot(self, name: str) -> Slot:
        """A place by name."""
        return self.cluster.slots[name]

    def start(self) -> None:
        """Start all units; wait until scans flow and reports come back."""
        migrate(self.store.connection.uri, DATABASE)
        for unit in ("fr_hub", "fr_brain", "fr_pacs", "fr_web"):
            self.cluster.start(*self.cluster.of(unit))
        flows = self.wait(lambda: all(o.reported for o in self.ledgers() if o.endless), STARTS_S)
        assert flows, f"nothing flows after {STARTS_S:.0f} s: see the logs (FAULTS_FOLDER=…)"
        serves = self.wait(lambda: all(map(listens, self.web_ports)), STARTS_S)
        assert serves, f"the API does not answer after {STARTS_S:.0f} s: see the logs"

    # --- what is known -------------------------------------------------------------------------

    def ledgers(self) -> list[LedgerRecord]:
        """The ledgers as they are now."""
        return [reader.read() for reader in self.readers.values()]

    def acknowledged(self) -> int:
        """Scans, so far."""
        return sum(len(one.acknowledged) for one in self.ledgers())

    def delivered(self) -> int:
        """Reports, so far."""
        return sum(len(one.reported) for one in self.ledgers())

    def waiting(self) -> dict[str, set[str]]:
        """For each Fr-PACS the scans that are acknowledged and whose report is not there."""
        return {
            one.pacs: one.acknowledged.keys() - one.reported.keys() - self.expected.errors
            for one in self.ledgers()
        }

    # --- time ----------------------------------------------------------------------------------

    @staticmethod
    def wait(condition: Callable[[], bool], within_s: float, every_s: float = 0.1) -> bool:
        """Wait until it is true; whether it became so in time."""
        deadline = time.monotonic() + within_s
        while not condition():
            if time.monotonic() > deadline:
                return False
            time.sleep(every_s)
        return True

    def recovered(self, within_s: float = RECOVERS_S) -> float | None:
        """Wait until what is acknowledged now has been delivered, and each Fr-PACS has a new
        acknowledgement; seconds, None if it did not come true."""
        began = time.monotonic()
        due = self.waiting()
        before = {one.pacs: len(one.acknowledged) for one in self.ledgers()}

        def arrived() -> bool:
            ledgers = self.ledgers()
            if any(one.endless and len(one.acknowledged) <= before[one.pacs] for one in ledgers):
                return False
            return not any(
                due[one.pacs] - one.reported.keys() - self.expected.errors for one in ledgers
            )

        return time.monotonic() - began if self.wait(arrived, within_s) else None

    def nothing_durable(self, why: str, since: datetime) -> None:
        """From ``since`` to now nothing could be made durable: no acknowledgement is right."""
        window = Window(since, datetime.now(UTC), why)
        self.expect(no_acks=(*self.expected.no_acks, window))

    def expect(self, **changes: object) -> None:
        """A fault is meant to leave this."""
        self.expected = Expected(**{**vars(self.expected), **changes})

    def bear(self, kind: str, scan_ids: Iterable[str]) -> None:
        """A fault is meant to leave these scans as ``errors``, ``damaged``, ``foreign`` or
        ``delivered_before``."""
        self.expect(**{kind: getattr(self.expected, kind) | frozenset(scan_ids)})

    def requeue_killed(self) -> None:
        """Requeue the scans whose attempts kills have used up."""
        self.requeued += requeue_killed(self.store, self.expected.errors)

    # --- the end -------------------------------------------------------------------------------

    def drain(self, within_s: float = RECOVERS_S) -> bool:
        """Send no more; wait until all that was acknowledged has arrived. Whether it has."""
        pacs = [self.slot(one.pacs) for one in self.ledgers() if one.endless]
        self.cluster.stop(*pacs)
        before = {one.pacs: set(one.sent) for one in self.ledgers()}
        for slot in pacs:
            # One scan when it starts, and the next in a day: it stays to receive reports.
            slot.settings["RATE"] = "0.00001"
        self.cluster.start(*pacs)

        def empty() -> bool:
            for one in self.ledgers():
                last = one.sent.keys() - before[one.pacs]
                if one.endless and not last:
                    return False
                if last - one.acknowledged.keys() - one.refused:
                    return False  # it is not stored yet, or nobody knows
            if any(self.waiting().values()):
                return False
            try:
                states, unsent = (
                    self.store.queries.count_states(),
                    self.store.queries.count_reports()[False],
                )
            except StoreError:
                return False
            return not (states["To Do"] or states["In Progress"] or unsent)

        return self.wait(empty, within_s, 0.25)

    def check(self) -> list[Violation]:
        """Violations so far, while units run: of all scans that had not come to their end at the
        last look."""
        ledgers = self.ledgers()
        ids = set().union(self.expected.foreign, *(one.sent for one in ledgers)) - self._checked
        before = [one.of(ids) for one in ledgers]
        stored = read_store(self.database.uri, DATABASE, voxels=False, only=ids)
        completions = [one for one in self.completions.read() if one.scan_id in ids]
        after = [one.of(ids) for one in self.ledgers()]
        found = check(
            before,
            stored,
            completions,
            self.expected,
            drained=False,
            later=after,
            content=self._content(ids),
        )
        for one in before:
            for scan_id in one.reported:
                report = stored.reports.get(scan_id)
                if report is not None and report.sent and stored.scans[scan_id].state == "Done":
                    self._checked.add(scan_id)
        return found

    def account(self) -> tuple[list[Violation], Counts]:
        """After draining: all violations, of all scans with their voxels; how far they got."""
        ledgers = self.ledgers()
        stored = read_store(self.database.uri, DATABASE, voxels=True)
        completions = self.completions.read()
        later = self.ledgers()
        found = check(
            ledgers,
            stored,
            completions,
            self.expected,
            drained=True,
            later=later,
            content=self._content(set().union(*(one.sent for one in ledgers))),
            received=recorded_receipts(self.database.uri, DATABASE),
        )
        self.usage = usage_of(self, stored)
        return found, count(ledgers, stored)

    def _content(self, scan_ids: set[str]) -> Content:
        deliveries = [one for one in self.deliveries.read() if one.scan_id in scan_ids]
        return Content(self.truths.of(scan_ids), deliveries)

    def verified_gaps(self) -> int:
        """What ``make verify`` finds."""
        ledgers = [self.folder / f"{name}.jsonl" for name in self.readers]
        return sum(verify(self.store, ledger).gaps for ledger in ledgers if ledger.exists())

    def audited_gaps(self) -> tuple[int, list[str]]:
        """What ``make audit`` finds: how many, and the first of each kind as it is stored."""
        verdict = AuditVerifier(self.store).run()
        kinds = {**verdict.gaps, "problems": verdict.problems}
        return verdict.total, [
            f"{kind}: {found.count}, as {found.named[0]}: {history_of(self.store, found.named[0])}"
            for kind, found in kinds.items()
            if found.count
        ]

    def kills(self) -> dict[str, int]:
        """Kills so far of each kind of unit."""
        return {unit: sum(slot.kills for slot in self.cluster.of(unit)) for unit in UNITS}

    def close(self) -> None:
        """Kill all units, close the proxies. The MongoDB is its owner's to end."""
        self.cluster.close()
        self.store.close()
        for proxy in (*self.to_hub.values(), *self.to_pacs.values()):
            proxy.close()
        if self.mongo_proxy is not None:
            self.mongo_proxy.close()
        self._loop.close()
