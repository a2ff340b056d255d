"""Opens the store that the settings name, or the embedded one, and waits until it is ready."""

import contextlib
import threading
from collections.abc import Iterator

from tenacity import Retrying

from common.errors import StoreUnavailable
from common.mongod.guardian import shared_mongod
from common.runtime.logger import AvailabilityLog, Log
from common.runtime.retry import retrying
from common.settings.loading import StoreSettings
from common.store.db_manager import DBManager


@contextlib.contextmanager
def open_store(settings: StoreSettings) -> Iterator[DBManager]:
    """Open the store that the settings name, or the embedded one; close it at the end.

    Raises:
        SettingsError: the URI is wrong.
        MongodError: the embedded MongoDB cannot be started.
    """
    with contextlib.ExitStack() as stack:
        if settings.mongodb_uri is not None:
            uri = settings.mongodb_uri.get_secret_value()
        else:
            uri = stack.enter_context(shared_mongod(settings.data_dir, settings.fr_mongod))
        store = DBManager(uri, settings.mongodb_database, settings.mongodb_timeout_s)
        stack.callback(store.close)
        yield store


def retrying_store(stop: threading.Event, availability: AvailabilityLog) -> Retrying:
    """Retry while MongoDB is unreachable, with backoff and full jitter; logs that once.

    Once ``stop`` is set, it raises the last error.
    """
    return retrying(StoreUnavailable, stop, availability.unavailable)


def prepare_store(store: DBManager, stop: threading.Event, log: Log) -> bool:
    """Prepare the store, waiting until MongoDB is reachable; False if stopped before that.

    Raises:
        StoreRefused: MongoDB refuses the login.
    """
    availability = AvailabilityLog(log, "MongoDB")
    try:
        version = retrying_store(stop, availability)(store.prepare)
    except StoreUnavailable:
        return False
    log.info("connected to MongoDB", version=version)
    return True
