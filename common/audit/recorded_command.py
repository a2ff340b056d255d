"""The store for a command that a person runs, with its own chain in the audit trail."""

import contextlib
import os
import pwd
from collections.abc import Iterator

from common.audit.writer import AuditWriter
from common.errors import StoreUnavailable
from common.runtime.logger import Log
from common.store.db_manager import DBManager


def user() -> str:
    """The name of the user who runs this command."""
    uid = os.getuid()
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:  # as in a container
        return f"uid {uid}"


@contextlib.contextmanager
def recorded_command(
    store: DBManager, name: str, log: Log, timeout_s: float = 10.0
) -> Iterator[DBManager]:
    """The store, whose changes are recorded first in a chain that names the user.

    Raises:
        StoreUnavailable: at the end, if not everything could be written.
    """
    audit = AuditWriter(store.audit_log, name, log, durable_s=timeout_s, by=user())
    try:
        yield store.recorded_by(audit)
    finally:
        written = audit.close(timeout_s)
    if not written:
        raise StoreUnavailable("the audit trail could not be written")
