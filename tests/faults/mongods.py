"""MongoDBs to be ill-treated: one server, or a replica set of three on loopback."""

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pymongo
from pymongo.errors import PyMongoError

from common.mongod.embedded import find_mongod
from tests.faults.proxy import Loop, Proxy
from tests.faults.sockets import client_on
from tests.running import free_port

SET = "faults"
ELECTION_MS = 2000
"""Ten seconds are usual: a hundred fail-overs would then take half an hour."""

_PR_SET_PDEATHSIG = 1
_START_S = 60.0

Document = dict[str, Any]


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


@contextlib.contextmanager
def client_of(uri: str, timeout_s: float = 10.0) -> Iterator[pymongo.MongoClient[Document]]:
    """A client for a few calls, known to fail points as ``nemesis``."""
    client = pymongo.MongoClient[Document](
        uri,
        appname="nemesis",
        timeoutMS=int(timeout_s * 1000),
        serverSelectionTimeoutMS=int(timeout_s * 1000),
        tz_aware=True,
    )
    try:
        yield client
    finally:
        client.close()


class Mongod:
    """A mongod on a port of its own; started, killed and started again on the same data."""

    def __init__(
        self, folder: Path, *options: str, environment: Mapping[str, str] | None = None
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self.environment = dict(environment or {})
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def uri(self) -> str:
        """Of this server alone, whatever it is a member of."""
        return f"mongodb://127.0.0.1:{self.port}/?directConnection=true"

    @property
    def data(self) -> Path:
        """Where it keeps its data."""
        return self.folder / "data"

    @property
    def runs(self) -> bool:
        """Whether its process is there."""
        return self._process is not None and self._process.poll() is None

    def start(self, *, wait: bool = True) -> None:
        """Start it and, with ``wait``, wait until it answers."""
        data = self.data
        data.mkdir(exist_ok=True)
        with (self.folder / "mongod.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    str(find_mongod()),
                    *("--dbpath", str(data), "--port", str(self.port)),
                    *("--bind_ip", "127.0.0.1", "--nounixsocket", "--quiet"),
                    *("--wiredTigerCacheSizeGB", "0.25"),
                    *("--networkMessageCompressors", "disabled"),
                    *("--setParameter", "diagnosticDataCollectionEnabled=false"),
                    *("--setParameter", "enableTestCommands=1"),
                    *self._options,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_die_with_parent,
                env={**os.environ, **self.environment},
            )
        if wait:
            self.wait_for_answer()

    def wait_for_answer(self) -> None:
        """Until it answers."""
        deadline = time.monotonic() + _START_S
        while True:
            try:
                with client_of(self.uri, 2) as client:
                    client.admin.command("ping")
            except PyMongoError:
                assert self.runs, f"mongod ended, see {self.folder / 'mongod.log'}"
                assert time.monotonic() < deadline, "mongod does not answer"
                time.sleep(0.05)
            else:
                return

    @property
    def pid(self) -> int:
        """Of its process, the last one."""
        assert self._process is not None
        return self._process.pid

    def signal(self, number: int) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, as a power cut would; and wait."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """Stop it in order, and wait."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(60)

    def fail_point(self, name: str, **how: Any) -> None:
        """Configure a fail point of mongod."""
        with client_of(self.uri) as client:
            client.admin.command({"configureFailPoint": name, **how})

    def fail(self, times: int, **data: Any) -> None:
        """Have so many commands of the units fail in this way."""
        self.fail_point("failCommand", mode={"times": times}, data={"appName": "fr", **data})

    def fail_no_more(self) -> None:
        """Switch that off."""
        self.fail_point("failCommand", mode="off")


class ReplicaSet:
    """Three members with a vote and data each, and a proxy before each of them."""

    def __init__(self, folder: Path) -> None:
        self.members = [
            Mongod(folder / f"member-{n}", "--replSet", SET, "--oplogSize", "512")
            for n in range(1, 4)
        ]
        self._loop = Loop()
        self._proxies = {
            member.folder.name: Proxy(self._loop, member.port, name_of=self._name_of)
            for member in self.members
        }

    def _name_of(self, port: int) -> str | None:
        """The member that has connected from this port; None: a unit has."""
        return client_on(port, {one.pid: one.folder.name for one in self.members if one.runs})

    @property
    def uri(self) -> str:
        """For the units."""
        hosts = ",".join(f"127.0.0.1:{proxy.port}" for proxy in self._proxies.values())
        return f"mongodb://{hosts}/?replicaSet={SET}"

    def part(self, *links: tuple[Mongod, Mongod]) -> None:
        """Let nothing pass between these members, either way; between the others everything.

        Units reach all of them.
        """
        apart: dict[str, set[str]] = {name: set() for name in self._proxies}
        for one, other in links:
            apart[one.folder.name].add(other.folder.name)
            apart[other.folder.name].add(one.folder.name)
        for name, proxy in self._proxies.items():
            proxy.set(apart=frozenset(apart[name]))

    def start(self) -> None:
        """Start the members, make them a set, wait for the primary."""
        for member in self.members:
            member.start(wait=False)
        for member in self.members:
            member.wait_for_answer()
        config = {
            "_id": SET,
            "members": [
                {"_id": n, "host": f"127.0.0.1:{proxy.port}"}
                for n, proxy in enumerate(self._proxies.values())
            ],
            "settings": {"electionTimeoutMillis": ELECTION_MS, "heartbeatIntervalMillis": 500},
        }
        with client_of(self.members[0].uri) as client:
            client.admin.command({"replSetInitiate": config})
        self.primary()

    def primary(self, within_s: float = 60.0) -> Mongod:
        """The member that is the primary, once one says so."""
        return self._wait_for(lambda hello: bool(hello.get("isWritablePrimary")), within_s)

    def _wait_for(self, wanted: Callable[[Document], bool], within_s: float) -> Mongod:
        deadline = time.monotonic() + within_s
        while True:
            for member in self.members:
                with contextlib.suppress(PyMongoError), client_of(member.uri, 1) as client:
                    if wanted(client.admin.command("hello")):
                        return member
            assert time.monotonic() < deadline, "there is no primary"
            time.sleep(0.05)

    def secondaries(self) -> list[Mongod]:
        """All members but the primary."""
        primary = self.primary()
        return [member for member in self.members if member is not primary]

    def kill(self) -> None:
        """Kill all members, close their proxies."""
        for member in self.members:
            with contextlib.suppress(ProcessLookupError):
                member.kill()
        for proxy in self._proxies.values():
            proxy.close()
        self._loop.close()
