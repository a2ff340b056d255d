"""Fixtures of Fr-HUB's tests: a store, a hub on it, the report server of a Fr-PACS."""

from collections.abc import Iterator

import pytest

from common.settings.loading import HubSettings
from common.store.db_manager import DBManager
from tests.factories import opened
from tests.fr_hub.pushing import Reports
from tests.running import hub_settings, running_hub


@pytest.fixture
def store(mongodb_uri: str, database: str) -> Iterator[DBManager]:
    with opened(mongodb_uri, database) as store:
        yield store


@pytest.fixture
def hub(store: DBManager) -> Iterator[HubSettings]:
    """The settings of a running hub."""
    settings = hub_settings()
    with running_hub(store, settings):
        yield settings


@pytest.fixture
def pacs() -> Iterator[Reports]:
    with Reports() as pacs:
        yield pacs
