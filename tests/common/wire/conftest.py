"""Certificates for the tests of the wire."""

from pathlib import Path

import pytest

from tests.common.wire.tls_files import HUB, PACS, issued


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return issued(tmp_path_factory.mktemp("good"), HUB, PACS, "pacs-2")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another authority, that gives the same names."""
    return issued(tmp_path_factory.mktemp("other"), HUB, PACS)
