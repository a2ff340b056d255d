from pathlib import Path

import pytest

from tests.common.formats.dicom.dicom_files import Write, writer


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes slices into the test's folder."""
    return writer(tmp_path)
