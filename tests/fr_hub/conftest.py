"""Fixtures of Fr-HUB's tests: a hub on the store, the report server of a Fr-PACS."""

from collections.abc import Iterator

import pytest

from common.settings.hub import HubSettings
from common.store.db_manager import DBManager
from tests.fr_hub.pushing import Reports
from tests.fr_hub.stores import GatedStore, gated
from tests.running import hub_settings, running_hub


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


@pytest.fixture
def gated_store(mongodb_uri: str, database: str) -> Iterator[GatedStore]:
    """A store whose calls a test can hold up."""
    with gated(mongodb_uri, database) as store:
        yield store
