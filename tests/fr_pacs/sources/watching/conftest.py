from collections.abc import Iterator
from pathlib import Path

import pytest

from common.formats.reader import Reader
from tests.common.formats.dicom.dicom_files import Write, writer
from tests.fr_pacs.sources.image_folders import Save, saver
from tests.fr_pacs.sources.watching.watched import Watch, opener


@pytest.fixture(scope="package")
def reader() -> Iterator[Reader]:
    """One reader for all: each costs the start of a process."""
    reader = Reader(processes=1)
    yield reader
    reader.close()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The watched folder."""
    folder = tmp_path / "incoming"
    folder.mkdir()
    return folder


@pytest.fixture
def save(root: Path) -> Save:
    """Writes NIfTI files into it."""
    return saver(root)


@pytest.fixture
def write(root: Path) -> Write:
    """Writes slices of one series into it."""
    return writer(root)


@pytest.fixture
def watch(root: Path, tmp_path: Path, reader: Reader) -> Iterator[Watch]:
    """Begins to watch, as each start of Fr-PACS does."""
    yield from opener(root, tmp_path / "private" / "index", reader)
