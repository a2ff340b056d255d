"""The units' users, on a mongod that asks for a login: what each may do, and what it may not."""

import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pymongo
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import SecretStr

from common.audit.pruning import Pruning
from common.audit.verification import AuditVerifier
from common.audit.writer import AuditWriter
from common.commands import roles
from common.commands.roles import make_roles, password_in, uri_of
from common.domain.audit_events import Kind
from common.domain.states import ReportGenerated
from common.domain.tenant import tenants_of
from common.errors import SettingsError, StoreRefused
from common.mongod.embedded import find_mongod, start_mongod
from common.runtime.logger import get_log
from common.settings.commands import RoleSettings
from common.settings.loading import load_settings
from common.store.db_manager import DBManager
from common.store.documents import NewScan
from common.store.roles import COLLECTIONS, PRIVILEGES
from common.store.unit_parts import web_parts
from fr_hub.web.uploads.delivery import deliver
from tests.common.audit.trail import exported, note
from tests.common.commands.role_table import changes, operations, passes
from tests.factories import LONG_AGO, make_report, make_scan, make_upload, migrate
from tests.label_maps import labels_of, packed

DATABASE = "fr_roles"
ADMIN = "admin-horse"

Client = pymongo.MongoClient[dict[str, Any]]


@pytest.fixture(scope="module")
def admin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URI of a user administrator, who has no right to any data."""
    running = start_mongod(tmp_path_factory.mktemp("auth"), find_mongod(), "--auth")
    try:
        with Client(running.uri) as client:
            client.admin.command("createUser", "admin", pwd=ADMIN, roles=["userAdminAnyDatabase"])
        yield uri_of(running.uri, "admin", ADMIN, "admin")
    finally:
        running.stop()


@pytest.fixture(scope="module")
def files(admin: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The units' URIs; the database is migrated."""
    made = make_roles(admin, DATABASE, tmp_path_factory.mktemp("secrets"), 10)
    migrate(made["migrate"].read_text().strip(), DATABASE)
    return made


@pytest.fixture
def store(files: dict[str, Path]) -> Iterator[Callable[[str], DBManager]]:
    """The store as one unit's user sees it."""
    opened: list[DBManager] = []

    def open_as(unit: str) -> DBManager:
        opened.append(DBManager(files[unit].read_text().strip(), DATABASE))
        return opened[-1]

    yield open_as
    for one in opened:
        one.close()


@pytest.fixture
def client(files: dict[str, Path]) -> Iterator[Callable[[str], Client]]:
    """A connection as one unit's user, who does as he likes."""
    with ExitStack() as stack:
        yield lambda unit: stack.enter_context(
            Client(files[unit].read_text().strip(), timeoutMS=10_000)
        )


# --- what each may do --------------------------------------------------------------------------


def test_the_api_stores_uploads_and_delivers_their_reports(
    store: Callable[[str], DBManager],
) -> None:
    web, brain = store("web"), store("brain")
    web.check_schema()
    made, _ = make_upload(web)
    upload = NewScan(made.scan.model_copy(update={"pacs": "web"}), blob=made.blob)
    assert upload.blob is not None
    small = NewScan(*make_scan(pacs="web"))
    for _ in range(2):
        web.scans.add([small, upload])
    web.uploads.end(upload.scan.key, upload.blob)
    cut = web.uploads.begin()
    web.uploads.add_chunks(cut, 0, [b"x"])
    web.uploads.touch(cut)
    web.uploads.abandon(cut)
    assert web.capacity.count_to_do_by_pacs(10)["web"] == 2
    assert web.capacity.disk_free()
    claims = brain.claims.claim("me", 9, 30)
    brain.claims.complete([(claim, make_report(claim.scan)) for claim in claims])
    assert deliver(web_parts(web), "web") == len(claims) == 2
    for collection in (web.connection.scans, web.connection.reports):  # the others count
        collection.delete_many({"_id": {"$in": [small.scan.key, upload.scan.key]}})
    web.uploads.abandon(upload.blob)


def test_the_units_do_their_work_each_as_its_own_user(store: Callable[[str], DBManager]) -> None:
    hub, brain = store("hub"), store("brain")
    for one in (brain, hub):
        one.check_schema()
    small, voxels = make_scan()
    upload, _ = make_upload(hub)
    large, blob = upload.scan, upload.blob
    assert blob is not None
    for _ in range(2):
        hub.scans.add([NewScan(small, voxels=voxels), upload])
    hub.uploads.end(large.key, blob)
    cut = hub.uploads.begin()
    hub.uploads.add_chunks(cut, 0, [b"x"])
    hub.uploads.abandon(cut)
    assert hub.uploads.sweep(0) == 0
    assert hub.orphan_chunks.mark() == 0
    claims = [*brain.claims.claim("me", 1, 30), *brain.claims.claim("me", 1, 30)]
    assert {claim.scan.key for claim in claims} == {small.key, large.key}
    assert brain.claims.renew(claims, 30) == set()
    for claim in claims:
        assert brain.claims.fetch_voxels(claim)
    done = [(claim, make_report(claim.scan)) for claim in claims]
    labels = {claim.key: packed(lesions=labels_of(claim.scan)) for claim in claims}
    for _ in range(2):
        assert brain.claims.complete(done, labels=labels) == set()
    assert hub.orphan_labels.sweep(grace_s=-60) == 0
    found = store("web").labels.find(tenants_of({})["default"], small.key)
    assert found is not None
    assert b"".join(store("web").labels.read(found, found.maps[0]))
    brain.claims.release_dead("me", 5)
    assert brain.supervision.fail_damaged() == 0
    leased = hub.outbox.lease("pacs-1", 10, 10)
    assert len(leased) == 2
    hub.outbox.postpone([small.key], 0)
    hub.outbox.mark_sent([small.key, large.key])
    brain.pictures.add(small.key, "0" * 64, b"png")
    assert hub.pictures.get(small.key, "0" * 64) == b"png"
    reader = store("reader")
    assert reader.queries.count_states()[ReportGenerated.DONE] == 2
    assert reader.queries.count_reports() == {True: 2, False: 0}
    assert len(list(reader.queries.scan_states())) == 2
    assert reader.queries.errors() == []
    assert not list(reader.label_check.missing())
    for unit, old in (("hub", small), ("operator", large)):
        hub.connection.reports.update_one({"_id": old.key}, {"$set": {"sent_at": LONG_AGO}})
        [page] = store(unit).retention.purge(30, include_report=True)
        assert page.keys == (old.key,)
    assert reader.queries.count_reports() == {True: 0, False: 0}
    assert reader.connection.labels.find_one() is None


@pytest.mark.parametrize("unit", PRIVILEGES)
@pytest.mark.parametrize("collection", COLLECTIONS)
def test_each_user_may_do_what_is_written_down_and_nothing_else(
    client: Callable[[str], Client], unit: str, collection: str
) -> None:
    tried = operations(client(unit)[DATABASE], collection)
    may = {name for name, operation in tried.items() if passes(operation)}
    assert may == set(PRIVILEGES[unit].get(collection, ())) & tried.keys()


@pytest.mark.parametrize("unit", PRIVILEGES)
def test_no_user_sees_another_database_or_makes_users(
    client: Callable[[str], Client], unit: str
) -> None:
    connected = client(unit)
    for operation in (
        lambda: connected["another"]["things"].find_one(),
        lambda: connected.admin["system.users"].find_one(),
        lambda: connected[DATABASE].command("createUser", "x", pwd="x", roles=[]),  # noqa: S106
        lambda: connected[DATABASE].command("dropDatabase"),
        lambda: connected.admin.command("shutdown"),
    ):
        assert not passes(operation)


def test_only_the_administrator_prunes_the_audit_trail(admin: str, tmp_path: Path) -> None:
    made = make_roles(admin, "fr_pruned", tmp_path, 10)
    uris = {unit: path.read_text().strip() for unit, path in made.items()}
    migrate(uris["migrate"], "fr_pruned")
    with ExitStack() as stack:
        stores = {u: stack.enter_context(closing(DBManager(uris[u], "fr_pruned"))) for u in uris}
        for _ in range(2):  # the second anchors the first
            with closing(AuditWriter(stores["hub"].audit_log, "fr-hub", get_log())) as audit:
                note(audit, (Kind.CLAIM, ["one"]))
        archive = exported(stores["reader"], tmp_path / "a", Ed25519PrivateKey.generate())
        for unit in sorted(set(PRIVILEGES) - {"migrate"}):
            with pytest.raises(StoreRefused, match="not authorized"):
                stores[unit].audit_archive.remove(list(archive.entries()))
        with pytest.raises(StoreRefused, match="not authorized"):
            Pruning(stores["operator"], archive, get_log()).apply()
        removed = Pruning(stores["migrate"], archive, get_log()).apply()
        assert removed == archive.checkpoint.entries
        assert AuditVerifier(stores["reader"]).run().total == 0


# --- what is refused, and how it is said -------------------------------------------------------


def test_a_missing_privilege_is_reported_with_its_remedy(store: Callable[[str], DBManager]) -> None:
    with pytest.raises(StoreRefused, match=r"not authorized on fr_roles.*\(make roles\)") as raised:
        store("reader").uploads.begin()
    assert "password" not in str(raised.value)


def test_the_text_of_a_refusal_has_no_ids(store: Callable[[str], DBManager]) -> None:
    scan, voxels = make_scan()
    with pytest.raises(StoreRefused) as raised:
        store("brain").scans.add([NewScan(scan, voxels=voxels)])
    assert "insert brain_scans" in str(raised.value)
    assert scan.key not in str(raised.value)
    with pytest.raises(StoreRefused) as raised:
        store("reader").outbox.mark_sent(["scan-17"])
    assert "scan-17" not in str(raised.value)


def test_a_wrong_password_is_refused_and_not_quoted(admin: str) -> None:
    store = DBManager(admin.replace(ADMIN, "wrong-horse"), DATABASE)
    with pytest.raises(StoreRefused, match="Authentication failed") as raised:
        store.check_schema()
    assert "horse" not in str(raised.value)
    store.close()


def test_who_has_no_login_is_refused(admin: str) -> None:
    store = DBManager(f"mongodb://{admin.partition('@')[2].partition('/')[0]}/", DATABASE)
    with pytest.raises(StoreRefused):
        store.check_schema()
    store.close()


def test_only_an_administrator_makes_users(files: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(StoreRefused, match="not authorized"):
        make_roles(files["hub"].read_text().strip(), DATABASE, tmp_path, 10)


# --- the files ---------------------------------------------------------------------------------


def test_the_files_are_this_users_alone(files: dict[str, Path]) -> None:
    for path in files.values():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_second_run_keeps_the_passwords_and_a_removed_file_gets_a_new_one(
    admin: str, tmp_path: Path
) -> None:
    first = make_roles(admin, "fr_again", tmp_path, 10)
    before = {unit: path.read_text() for unit, path in first.items()}
    first["hub"].unlink()
    make_roles(admin, "fr_again", tmp_path, 10)
    after = {unit: path.read_text() for unit, path in first.items()}
    assert {unit for unit in before if before[unit] != after[unit]} == {"hub"}
    store = DBManager(after["hub"].strip(), "fr_again")
    assert store.schema.version() == 0
    store.close()


def test_a_folder_that_cannot_be_made_is_a_wrong_setting(admin: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="SECRETS="):
        make_roles(admin, DATABASE, tmp_path / "file", 10)


def test_a_file_without_a_password_is_refused(tmp_path: Path) -> None:
    (tmp_path / "hub.uri").write_text("mongodb://host/")
    with pytest.raises(SettingsError, match="remove the file"):
        password_in(tmp_path / "hub.uri")


def test_the_command_prints_files_and_no_password(
    admin: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = RoleSettings(
        mongodb_uri=SecretStr(admin), secrets=tmp_path / "s", mongodb_database="fr_command"
    )
    monkeypatch.setattr(roles, "load_settings", lambda *_: settings)
    assert roles.main() == 0
    said = capsys.readouterr().out
    assert f"MONGODB_URI_FILE={tmp_path / 's' / 'hub.uri'}" in said
    for path in (tmp_path / "s").iterdir():
        password = password_in(path)
        assert password
        assert password not in said
    assert ADMIN not in said


def test_without_a_uri_the_command_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MONGODB_URI", raising=False)
    none = load_settings(RoleSettings, "roles", [])
    monkeypatch.setattr(roles, "load_settings", lambda *_: none)
    with pytest.raises(SettingsError, match="MONGODB_URI is not set"):
        roles.main()


@pytest.mark.parametrize(
    ("admin_uri", "unit_uri"),
    [
        ("mongodb://a:b@h:1/", "mongodb://fr-x:p%2Fw@h:1/?authSource=fr"),
        ("mongodb://h", "mongodb://fr-x:p%2Fw@h/?authSource=fr"),
        (
            "mongodb://a:b@h:1,i:2/admin?replicaSet=rs&authSource=admin&tls=true",
            "mongodb://fr-x:p%2Fw@h:1,i:2/?replicaSet=rs&tls=true&authSource=fr",
        ),
        ("mongodb+srv://a:b@h/?x=1", "mongodb+srv://fr-x:p%2Fw@h/?x=1&authSource=fr"),
        ("mongodb://%2Ftmp%2Fs.sock/", "mongodb://fr-x:p%2Fw@%2Ftmp%2Fs.sock/?authSource=fr"),
    ],
)
def test_a_units_uri_is_the_administrators_with_another_user(admin_uri: str, unit_uri: str) -> None:
    assert uri_of(admin_uri, "fr-x", "p/w", "fr") == unit_uri


def test_a_fresh_database_is_to_be_migrated_next_and_then_not(admin: str, tmp_path: Path) -> None:
    uri = make_roles(admin, "fr_fresh", tmp_path, 10)["migrate"].read_text().strip()
    [remark] = roles.remarks(uri, "fr_fresh", 10)
    assert "make migrate" in remark
    migrate(uri, "fr_fresh")
    assert roles.remarks(uri, "fr_fresh", 10) == []


def test_mongodb_without_access_control_is_warned_of(mongodb_uri: str, database: str) -> None:
    assert not roles.asks_for_login(mongodb_uri, database, 10)


UNIT_USERS = sorted(set(PRIVILEGES) - {"migrate"})


@pytest.mark.parametrize("unit", UNIT_USERS)
@pytest.mark.parametrize("collection", COLLECTIONS)
def test_no_unit_can_create_drop_or_change_a_collection_or_an_index(
    client: Callable[[str], Client], unit: str, collection: str
) -> None:
    database = client(unit)[DATABASE]
    for change in changes(database, collection):
        assert not passes(change)
    passes(lambda: database.command({"listIndexes": collection}))


def test_a_unit_compares_the_schema_as_its_own_user(store: Callable[[str], DBManager]) -> None:
    for unit in UNIT_USERS:
        assert store(unit).check_schema()
        assert store(unit).schema.differences().unexpected == ()
