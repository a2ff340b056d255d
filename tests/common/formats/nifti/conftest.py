from pathlib import Path

import pytest

from tests.common.formats.nifti.nifti_files import Save, saver


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Writes NIfTI files into the test's folder."""
    return saver(tmp_path)
