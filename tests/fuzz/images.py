"""The fuzz targets of the image formats: NIfTI, DICOM and series of DICOM slices."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from common.errors import FrError
from common.formats.reader import Reader
from common.scan_files.files import FileSource
from common.settings.identity_keys import IdentityKeys
from common.wire.frames import encode
from common.wire.messages import Scan
from tests.fuzz.headers import series
from tests.fuzz.local_process import LocalProcess

FILE_LIMIT = 4 << 20
"""Largest volume, bytes; a decompression bomb must be refused at this size."""

_TASKS_MAX = 64


def nifti(data: bytes) -> None:
    """Read the bytes as a NIfTI file, gzipped if they start like gzip."""
    with scratch_folder() as folder:
        (folder / "scan.nii").write_bytes(data)
        send_all(folder / "scan.nii")


def dicom(data: bytes) -> None:
    """Read the bytes as a DICOM file and decode its pixels."""
    with scratch_folder() as folder:
        (folder / "scan.dcm").write_bytes(data)
        send_all(folder / "scan.dcm")


def stack(data: bytes) -> None:
    """Read a folder of DICOM slices whose headers come from the bytes; see ``headers``."""
    files = series(data)
    with scratch_folder() as folder:
        for number, content in enumerate(files):
            (folder / f"{number}.dcm").write_bytes(content)
        if files:
            send_all(folder)


def send_all(path: Path) -> None:
    """Read all scans of a file or folder, as Fr-PACS does.

    Raises:
        Exception: a finding; ``FrError`` is none.
    """
    with suppress(FrError):
        source = FileSource(
            path,
            pacs="pacs-1",
            keys=IdentityKeys(bytes(32), bytes(32)),
            max_bytes=FILE_LIMIT,
            reader=Reader(FILE_LIMIT, start=LocalProcess),
        )
        for task, _ in zip(source, range(_TASKS_MAX), strict=False):
            with suppress(FrError):
                loaded = task.load()
                assert len(loaded.voxels) == loaded.scan.voxels_bytes <= FILE_LIMIT
                encode(Scan(loaded.scan))


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """An empty folder, in memory if possible."""
    with tempfile.TemporaryDirectory(prefix="fr-fuzz-", dir=_memory()) as name:
        yield Path(name)


@cache
def _memory() -> str | None:
    shared = "/dev/shm"  # noqa: S108 - only to make a folder of its own in it
    return shared if Path(shared).is_dir() else None
