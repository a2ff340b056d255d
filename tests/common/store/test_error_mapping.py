"""PyMongo's errors as ours. Those that a server makes are in ``test_db_manager_faults``."""

from typing import Any

import pytest
from bson.errors import BSONError, InvalidDocument
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ConfigurationError,
    DocumentTooLarge,
    DuplicateKeyError,
    ExecutionTimeout,
    InvalidOperation,
    NetworkTimeout,
    NotPrimaryError,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WaitQueueTimeoutError,
    WTimeoutError,
)

from common.errors import ClaimLost, StoreError, StoreRefused, StoreUnavailable
from common.store.error_mapping import DUPLICATE_KEY, bulk_failure, convert, translated

DUPLICATE = {"index": 0, "code": DUPLICATE_KEY, "errmsg": "E11000 duplicate key"}
NOT_DURABLE = {"code": 64, "errmsg": "waiting for replication timed out"}
STEPPED_DOWN = {"index": 1, "code": 189, "errmsg": "stepped down"}
REFUSED = {"index": 2, "code": 13, "errmsg": "not authorized"}
INVALID = {"index": 3, "code": 121, "errmsg": "Document failed validation"}


def bulk(*lines: dict[str, Any], waits: list[dict[str, Any]] | None = None) -> BulkWriteError:
    return BulkWriteError({"writeErrors": list(lines), "writeConcernErrors": waits or []})


@pytest.mark.parametrize(
    "error",
    [
        AutoReconnect("connection closed"),
        NetworkTimeout("timed out"),
        NotPrimaryError("not primary", {"code": 10107}),
        ServerSelectionTimeoutError("No servers"),
        WaitQueueTimeoutError("Timed out while checking out a connection"),
        ExecutionTimeout("operation exceeded time limit", 50, {"errmsg": "time limit", "code": 50}),
        WTimeoutError("waiting", 64, {"errmsg": "waiting", "code": 64}),
        OperationFailure("step down", 11602, {"errmsg": "step down", "code": 11602}),
        OperationFailure("no majority", 100, None),
        OperationFailure("the cache is full", 365, None),
        bulk(DUPLICATE, waits=[NOT_DURABLE]),
        bulk(STEPPED_DOWN),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_passes_can_be_repeated(error: PyMongoError) -> None:
    assert type(convert(error)) is StoreUnavailable


@pytest.mark.parametrize("code", [13, 18, 33, 8000])
def test_a_refusal_needs_a_person(code: int) -> None:
    assert type(convert(OperationFailure("no", code, {"errmsg": "no"}))) is StoreRefused


@pytest.mark.parametrize(
    "error",
    [
        OperationFailure("unknown command", 59, {"errmsg": "unknown command"}),
        OperationFailure("no code", None, None),
        DuplicateKeyError("E11000", DUPLICATE_KEY, {"errmsg": "E11000"}),
        DocumentTooLarge("too large"),
        InvalidDocument("cannot encode object: 'Jane Doe'"),
        InvalidOperation("closed"),
        ConfigurationError("no DNS"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_is_neither_is_just_an_error(error: PyMongoError | BSONError) -> None:
    assert type(convert(error)) is StoreError
    assert "Jane" not in str(convert(error))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (bulk(DUPLICATE, STEPPED_DOWN, REFUSED, waits=[NOT_DURABLE]), StoreRefused),
        (bulk(STEPPED_DOWN, INVALID), StoreError),
        (bulk(DUPLICATE, STEPPED_DOWN), StoreUnavailable),
        (bulk(waits=[NOT_DURABLE]), StoreUnavailable),
        (bulk(DUPLICATE), StoreUnavailable),
    ],
    ids=["refused", "invalid", "stepped down", "not durable", "duplicates"],
)
def test_a_bulk_write_raises_its_most_serious_failure(
    error: BulkWriteError, kind: type[StoreError]
) -> None:
    assert type(bulk_failure(error)) is kind


def test_a_text_has_no_stored_document_and_no_topology() -> None:
    duplicate = 'E11000 duplicate key error collection: fr.brain_scans dup key: { _id: "x" }'
    error = OperationFailure(duplicate, 1, {"errmsg": duplicate})
    assert str(convert(error)).endswith("collection: fr.brain_scans")
    away = "a:1: refused, Timeout: 0.2s, Topology Description: <TopologyDescription user:secret>"
    assert str(convert(ServerSelectionTimeoutError(away))) == "a:1: refused"
    assert len(str(convert(AutoReconnect("x" * 10_000)))) <= 300


def test_a_translated_method_raises_ours_with_its_cause() -> None:
    @translated
    def method(error: Exception | None) -> str:
        """Its docstring."""
        if error is not None:
            raise error
        return "fine"

    assert method(None) == "fine"
    assert method.__doc__ == "Its docstring."
    theirs = AutoReconnect("gone")
    with pytest.raises(StoreUnavailable, match="gone") as raised:
        method(theirs)
    assert raised.value.__cause__ is theirs
    for ours in (ClaimLost("mine"), ValueError("not the store's")):
        with pytest.raises(type(ours)) as passed:
            method(ours)
        assert passed.value is ours
