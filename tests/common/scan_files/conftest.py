from pathlib import Path

import pytest

from tests.fr_pacs.sources.image_folders import Save, saver


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Writes NIfTI files into the test's folder."""
    return saver(tmp_path)
