"""A database of an earlier release, migrated while its migrations are killed; then units go on."""

import subprocess
from pathlib import Path
from typing import Any

from common.commands.verify import verify
from common.domain.scan_key import SEPARATOR
from common.domain.types import Document
from common.store.collections import Collection
from common.store.db_manager import DBManager
from tests.common.store.migrations.old_release import TO_DO, restore
from tests.faults.mongods import client_of
from tests.faults.nemesis import Scene
from tests.faults.schedule import CATALOGUE, Place
from tests.processes import start, stop
from tests.running import free_port

OLD_DATABASE = "old_release"
COPIES = 8000
"""Of one finished scan and its report, so that a migration takes some pages."""

KILLS = 6
_MODEL = "sent-2"
_SCANS = 5
_ENDS_S = 120.0
_KEYED: Document = {"_id": {"$regex": SEPARATOR}}


def restore_large(uri: str, copies: int) -> None:
    """The old database, with copies of a finished scan."""
    restore(uri, OLD_DATABASE)
    with client_of(uri, 120) as client:
        for name, part in ((Collection.SCANS, "scan"), (Collection.REPORTS, "report")):
            old = client[OLD_DATABASE][name]
            model = old.find_one({"_id": _MODEL})
            assert model is not None
            old.insert_many(_copy(model, part, f"copy-{n}") for n in range(copies))


def _copy(model: Document, part: str, scan_id: str) -> Document:
    return {**model, "_id": scan_id, part: {**model[part], "scan_id": scan_id}}


class _Migrations:
    """Runs of ``fr migrate`` on the old database."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.settings = {
            "MONGODB_URI": scene.world.database.uri,
            "MONGODB_DATABASE": OLD_DATABASE,
        }
        self._log = scene.world.folder / "migrate.log"

    def start(self) -> "subprocess.Popen[str]":
        """One more."""
        return start("common.commands.migrate", self._log, **self.settings, APPLY="1")

    def renamed(self) -> int:
        """Documents that have their new key."""
        with client_of(self._scene.world.database.uri) as client:
            base = client[OLD_DATABASE]
            return sum(
                base[name].count_documents(_KEYED)
                for name in (Collection.SCANS, Collection.REPORTS)
            )

    def killed(self) -> bool:
        """Start two, and kill both once they have changed some more documents; whether neither had
        ended before."""
        scene, before = self._scene, self.renamed()
        wanted = before + scene.random.randint(1, COPIES // KILLS)
        running = [self.start(), self.start()]
        scene.world.wait(
            lambda: self.renamed() >= wanted or all(one.poll() is not None for one in running),
            _ENDS_S,
            0.01,
        )
        cut = all(one.poll() is None for one in running)
        for one in running:
            one.kill()
            one.wait(10)
        return cut


@CATALOGUE.add(
    "migrate-killed",
    Place.PEERS,
    "a database of an earlier release is migrated; migrations run two at a time and are killed",
)
def migrate_killed(scene: Scene) -> None:
    """Nothing is lost or doubled, and units of this release analyse and deliver what waited."""
    uri = scene.world.database.uri
    restore_large(uri, COPIES)
    migrations = _Migrations(scene)
    cut = 0
    for _ in range(KILLS):
        cut += migrations.killed()
        scene.row.injected += 1
    scene.row.notes.update(cut=cut, renamed=migrations.renamed())
    scene.demand(cut, "fr migrate", "no migration was killed before its end")
    last = [migrations.start(), migrations.start()]
    codes = [one.wait(_ENDS_S) for one in last]
    scene.demand(codes == [0, 0], "fr migrate", f"exit codes {codes}")
    store = DBManager(uri, OLD_DATABASE, 20)
    try:
        _account(scene, store)
        _go_on(scene, store, migrations.settings)
    finally:
        store.close()
    with client_of(uri, 60) as client:
        client.drop_database(OLD_DATABASE)
    scene.recoveries.begin(scene.row)  # of the world, which shares the server


def _account(scene: Scene, store: DBManager) -> None:
    """Each scan and report is there once, under its new key."""
    store.check_schema()
    kept = [f"copy-{n}@pacs-2" for n in range(COPIES)]
    states = store.queries.states_of(kept)
    for key, found in states.items():
        scene.demand(found == ("Done", True), key, f"after the migration it is {found}")
    for name in (Collection.SCANS, Collection.REPORTS):
        with client_of(store.connection.uri, 60) as client:
            old = client[OLD_DATABASE][name].count_documents({"_id": {"$regex": "^copy-[0-9]*$"}})
        scene.demand(not old, name, f"{old} documents have their old key, too")
    scene.demand(dict(store.queries.scan_states()).keys() >= TO_DO, "fr migrate", "scans are lost")
    gaps = verify(store, deep=True).by_kind()
    for kind, keys in gaps.items():
        scene.demand(not keys, "fr migrate", f"{kind}: {', '.join(keys[:5])}")


def _go_on(scene: Scene, store: DBManager, settings: dict[str, str]) -> None:
    """Units work on it: what waited is delivered, and new scans are."""
    folder, hub = scene.world.folder, free_port()
    ports = {name: free_port() for name in ("pacs-1", "pacs-2")}
    given: dict[str, dict[str, Any]] = {
        "fr_hub": {
            "HUB_PORT": str(hub),
            "HUB_PACS": ",".join(f"{name}=127.0.0.1:{port}" for name, port in ports.items()),
            "HUB_DISK_FREE_MIB": "0",
        },
        "fr_brain": {"BRAIN_PROCESSES": "1", "BRAIN_LEASE_S": "3"},
    }
    running = [
        start(unit, folder / f"migrated-{unit}.log", **settings, **more)
        for unit, more in given.items()
    ]
    ledgers = {name: folder / f"migrated-{name}.jsonl" for name in ports}
    running += [
        start(
            "fr_pacs",
            ledgers[name].with_suffix(".log"),
            PACS_NAME=name,
            PACS_PORT=str(port),
            HUB_PORT=str(hub),
            KIND="grid",
            SCANS=str(_SCANS),
            LEDGER=str(ledgers[name]),
        )
        for name, port in ports.items()
    ]

    def all_delivered() -> bool:
        # Each of them: old reports that arrive now count, too.
        done = all(_lines(path, "reported") >= _SCANS for path in ledgers.values())
        states = store.queries.states_of(sorted(TO_DO))
        return done and all(found == ("Done", True) for found in states.values())

    try:
        scene.world.wait(all_delivered, _ENDS_S, 0.25)
    finally:
        for unit in running:
            stop(unit)
    for key, found in store.queries.states_of(sorted(TO_DO)).items():
        scene.demand(found == ("Done", True), key, f"it waited, and is {found}")
    for name, path in ledgers.items():
        scene.demand(_lines(path, "reported") >= _SCANS, name, "its new scans were not reported")
        scene.demand(not verify(store, path).gaps, name, "make verify finds gaps")


def _lines(ledger: Path, event: str) -> int:
    return ledger.read_text().count(f'"{event}"') if ledger.exists() else 0
