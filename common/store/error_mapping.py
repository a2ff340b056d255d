"""Converts PyMongo's errors to Fr's, which tell whether a retry can help."""

import functools
import re
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from bson.errors import BSONError
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    NetworkTimeout,
    OperationFailure,
    PyMongoError,
)

from common.errors import StoreError, StoreRefused, StoreUnavailable

P = ParamSpec("P")
R = TypeVar("R")

DUPLICATE_KEY = 11000

_UNAUTHORIZED = 13
_COMMAND = re.compile(r'(not authorized on \S+ to execute command) \{ (\w+): "?([^",}]*)')
_REFUSED = frozenset(
    {
        18,  # AuthenticationFailed
        33,  # ProtocolError
        8000,  # Atlas: authentication
    }
)
_TRANSIENT = frozenset(
    {
        6,  # HostUnreachable
        7,  # HostNotFound
        50,  # MaxTimeMSExpired
        64,  # WriteConcernFailed
        89,  # NetworkTimeout
        91,  # ShutdownInProgress
        100,  # UnsatisfiableWriteConcern: members are unreachable
        112,  # WriteConflict
        134,  # ReadConcernMajorityNotAvailableYet
        175,  # QueryPlanKilled
        189,  # PrimarySteppedDown
        202,  # NetworkInterfaceExceededTimeLimit
        237,  # CursorKilled
        262,  # ExceededTimeLimit
        365,  # TemporarilyUnavailable: the storage engine's cache is full
        9001,  # SocketException
        10058,  # LegacyNotPrimary
        10107,  # NotWritablePrimary
        11600,  # InterruptedAtShutdown
        11601,  # Interrupted
        11602,  # InterruptedDueToReplStateChange
        13388,  # StaleConfig
        13435,  # NotPrimaryNoSecondaryOk
        13436,  # NotPrimaryOrSecondary
        14031,  # OutOfDiskSpace: until an operator frees space
    }
)


def convert(error: PyMongoError | BSONError) -> StoreError:
    """Fr's error for one of PyMongo's. Its text contains no password and no document."""
    if isinstance(error, BSONError):  # e.g. DocumentTooLarge; its text may quote the document
        return StoreError(f"{type(error).__name__}: MongoDB cannot store or return a document")
    if isinstance(error, BulkWriteError):
        return bulk_failure(error)
    if isinstance(error, OperationFailure):
        return _by_code(error.code, str(error.details.get("errmsg") if error.details else error))
    if isinstance(error, ConnectionFailure | NetworkTimeout) or error.timeout:
        return StoreUnavailable(_short(str(error)))
    return StoreError(f"{type(error).__name__}: {_short(str(error))}")


def bulk_failure(error: BulkWriteError) -> StoreError:
    """The most serious failure of a bulk write; duplicate keys are ignored."""
    waits = error.details.get("writeConcernErrors", [])
    lines = [e for e in error.details.get("writeErrors", []) if e.get("code") != DUPLICATE_KEY]
    failures = [_by_code(e.get("code"), str(e.get("errmsg"))) for e in lines]
    final = next((f for f in failures if not isinstance(f, StoreUnavailable)), None)
    if final is not None:
        return final
    if waits:
        return StoreUnavailable(f"not durable yet: {_short(str(waits[0].get('errmsg')))}")
    return failures[0] if failures else StoreUnavailable("a bulk write was interrupted")


def translated(method: Callable[P, R]) -> Callable[P, R]:
    """Decorate a method to raise Fr's errors instead of PyMongo's."""

    @functools.wraps(method)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(*args, **kwargs)
        except (PyMongoError, BSONError) as error:
            raise convert(error) from error

    return wrapper


def _by_code(code: int | None, text: str) -> StoreError:
    if code == _UNAUTHORIZED:
        # The rest of the text is the whole command, including ids.
        known = _COMMAND.match(text)
        what = f"{known[1]} {known[2]} {known[3]}" if known else text.split(" to execute")[0]
        return StoreRefused(
            f"MongoDB refuses: {_short(what)}: the user in MONGODB_URI lacks a privilege: use the "
            "user for this task, or update its privileges (make roles)"
        )
    if code in _REFUSED:
        return StoreRefused(f"MongoDB refuses: {_short(text)}")
    if code in _TRANSIENT:
        return StoreUnavailable(_short(text))
    return StoreError(f"MongoDB error {code}: {_short(text)}")


def _short(text: str) -> str:
    # Server selection appends the whole topology; duplicate keys append a document.
    return text.split(", Timeout:")[0].split(" dup key:")[0][:300]
