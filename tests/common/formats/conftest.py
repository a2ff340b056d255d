from collections.abc import Iterator

import pytest

from common.formats.opening import forget_archive


@pytest.fixture(autouse=True)
def _archives_are_closed() -> Iterator[None]:
    """The archive that was read last stays open, for its next member."""
    yield
    forget_archive()
