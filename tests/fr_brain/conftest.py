"""A prepared store for the tests of Fr-BRAIN."""

from collections.abc import Iterator

import pytest

from common.store.db_manager import DBManager
from tests.factories import opened


@pytest.fixture
def store(mongodb_uri: str, database: str) -> Iterator[DBManager]:
    with opened(mongodb_uri, database) as store:
        yield store
