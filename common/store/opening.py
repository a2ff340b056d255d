"""Opens the store that the settings name, or the embedded one, and waits until it is ready."""

import contextlib
import threading
import time
from collections.abc import Iterator

from tenacity import Retrying

from common.errors import SchemaOlder, SettingsError, StoreUnavailable
from common.mongod.guardian import shared_mongod
from common.runtime.logger import AvailabilityLog, Log, command_log
from common.runtime.retry import retrying
from common.settings.base import StoreSettings
from common.store.db_manager import DBManager
from common.store.migrations.runner import Migrator
from common.store.schema import SCHEMA_VERSION

_MIGRATED_POLL_S = 2.0
_PROGRESS_S = 5.0


@contextlib.contextmanager
def store_uri(settings: StoreSettings) -> Iterator[str]:
    """The URI of the MongoDB that the settings name, or of the embedded one, which runs meanwhile.

    Raises:
        MongodError: the embedded MongoDB cannot be started.
    """
    if settings.mongodb_uri is not None:
        yield settings.mongodb_uri.get_secret_value()
    else:
        with shared_mongod(settings.data_dir, settings.fr_mongod) as uri:
            yield uri


@contextlib.contextmanager
def open_store(settings: StoreSettings) -> Iterator[DBManager]:
    """Open the store that the settings name, or the embedded one; close it at the end.

    Raises:
        SettingsError: the URI is wrong.
        MongodError: the embedded MongoDB cannot be started.
    """
    with (
        store_uri(settings) as uri,
        contextlib.closing(
            DBManager(
                uri,
                settings.mongodb_database,
                settings.mongodb_timeout_s,
                is_embedded=settings.mongodb_uri is None,
            )
        ) as store,
    ):
        yield store


def require_folder(settings: StoreSettings) -> None:
    """Check that there is a store to open, so that a command makes none in a mistyped folder.

    Raises:
        SettingsError: the settings name no server, and the folder of the embedded one is absent.
    """
    if settings.mongodb_uri is None and not (settings.data_dir / "mongodb").is_dir():
        raise SettingsError(
            f"DATA_DIR={str(settings.data_dir)!r}: there is no store; name the folder that the "
            "units use, or set MONGODB_URI"
        )


@contextlib.contextmanager
def open_existing_store(settings: StoreSettings) -> Iterator[DBManager]:
    """Open the store for a command that reads or changes it: it must exist. The embedded one is
    migrated, as its user is its administrator.

    Raises:
        SettingsError: there is no store at this place.
        SchemaNewer, SchemaOlder: it is of another release.
    """
    require_folder(settings)
    with open_store(settings) as store:
        version = store.schema.version()
        if version == 0:
            raise SettingsError(
                f"MONGODB_DATABASE={settings.mongodb_database!r}: this database is empty; name the "
                "database that the units use"
            )
        if version < SCHEMA_VERSION and store.is_embedded:
            migrate(store, threading.Event(), command_log())
        store.schema.require_version()
        yield store


def retrying_store(stop: threading.Event, availability: AvailabilityLog) -> Retrying:
    """Retry while MongoDB is unreachable, with backoff and full jitter; logs that once.

    Once ``stop`` is set, it raises the last error.
    """
    return retrying(StoreUnavailable, stop, availability.unavailable)


def wait_for_store(store: DBManager, stop: threading.Event, log: Log) -> bool:
    """Wait until MongoDB is reachable and its database has the schema of this release; False if
    stopped before that. The embedded one is migrated here, as nobody else administers it.

    Raises:
        SchemaNewer: a newer release migrated the database.
        StoreRefused: MongoDB refuses the login.
    """
    availability = AvailabilityLog(log, "MongoDB")
    retry = retrying_store(stop, availability)
    logged = ""
    while True:
        try:
            version = retry(store.check_schema)
        except StoreUnavailable:
            return False
        except SchemaOlder as error:
            if store.is_embedded:
                try:
                    retry(migrate, store, stop, log)
                except StoreUnavailable:
                    return False
            else:
                if str(error) != logged:
                    logged = str(error)
                    log.warning("waiting until the database is migrated", reason=logged)
                stop.wait(_MIGRATED_POLL_S)
            if stop.is_set():
                return False
        else:
            log.info("connected to MongoDB", version=version)
            return True


def migrate(store: DBManager, stop: threading.Event, log: Log) -> None:
    """Migrate the database of this store, as its administrator; logs the progress.

    Raises:
        SchemaNewer: a newer release migrated it.
        StoreError: MongoDB is unreachable or refuses; the next call continues.
    """
    logged_at = time.monotonic()

    def progress(step: str, done: int, total: int) -> None:
        nonlocal logged_at
        if time.monotonic() - logged_at >= _PROGRESS_S:
            logged_at = time.monotonic()
            log.info("migrating the database", step=step, done=done, of=total)

    with Migrator(store.connection.uri, store.connection.name, progress, stop) as migrator:
        before = migrator.version()
        is_new = migrator.is_new()
        if migrator.apply() and before and not is_new:
            log.info("migrated the database", version=SCHEMA_VERSION, was=before)
