"""Fixtures of the tests of ``common``."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from common.audit.writer import AuditWriter
from common.runtime.logger import get_log
from common.store.collections import Collection
from common.store.db_manager import DBManager
from tests.factories import inside
from tests.running import until


@pytest.fixture
def audit(store: DBManager) -> Iterator[AuditWriter]:
    """A hub's audit writer, whose chain is open."""
    with closing(AuditWriter(store.audit_log, "fr-hub", get_log())) as audit:
        until(lambda: inside(store, Collection.AUDIT).find_one())
        yield audit
