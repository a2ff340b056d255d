"""The errors: one base, and a tree in the module's docstring that lists them all."""

import re

from common import errors
from common.errors import FrError, ProtocolError, Refusal, StoreError, StoreUnavailable


def test_the_docstring_lists_every_error_below_its_base() -> None:
    defined = {
        name: value
        for name, value in vars(errors).items()
        if isinstance(value, type)
        and issubclass(value, Exception)
        and not issubclass(value, Warning)
    }
    assert all(issubclass(error, FrError) for error in defined.values())
    drawn = re.findall(r"^ *(?:[│ ]*[├└]── )?(\w*Error|[A-Z]\w+)\b", errors.__doc__ or "", re.M)
    assert set(defined) <= set(drawn)


def test_every_error_of_the_store_is_caught_as_one() -> None:
    assert issubclass(StoreUnavailable, StoreError)
    assert not issubclass(ProtocolError, StoreError)


def test_a_protocol_error_has_its_code_reason_and_whether_to_retry() -> None:
    error = ProtocolError(Refusal.LIMIT, "too many connections", retry=True)
    assert str(error) == "limit: too many connections"
    assert (error.code, error.reason, error.retry) == (Refusal.LIMIT, "too many connections", True)
    assert not ProtocolError(Refusal.HASH, "no match").retry
