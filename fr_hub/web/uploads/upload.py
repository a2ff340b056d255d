"""One upload: its files on the disk, and how much of them has come."""

import os
import secrets
import shutil
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from common.domain.tenant import ecgs_source, uploads_source
from fr_hub.web.uploads.names import UploadedNames
from fr_hub.web.uploads.results import FileResult


class WrongOffset(Exception):
    """The bytes do not begin where the stored ones end.

    Args:
        offset: how much is there, bytes.
    """

    def __init__(self, offset: int) -> None:
        super().__init__()
        self.offset = offset


class TooManyFiles(Exception):
    """It has more files and folders than are reserved."""


class TooMuch(Exception):
    """More came than was declared, or than is reserved."""


class Phase(Enum):
    """What is being done with an upload."""

    RECEIVING = auto()
    STORING = auto()
    # Its scans are stored, its files are gone; the answer can be had again.
    FINISHED = auto()
    # Cancelled, expired, or the process stops.
    ENDED = auto()


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose upload it is; nobody else sees it.

    Args:
        account: if it goes to this user's own account, and not to the tenant: ECGs alone.
    """

    tenant: str
    user: str
    account: str = ""

    @property
    def source(self) -> str:
        """The name under which its scans are stored, in the place of a Fr-PACS' name."""
        return ecgs_source(self.tenant) if self.account else uploads_source(self.tenant)


class Upload:
    """Files that come, one after the other. Thread-safe.

    Args:
        upload_id: of it.
        owner: whose it is.
        folder: where its files lie; made here.
        reserved: bytes of the disk that are reserved for it.
        entries: reserved number of files and folders.
    """

    def __init__(
        self, upload_id: str, owner: Owner, folder: Path, reserved: int, entries: int
    ) -> None:
        self.id = upload_id
        self.owner = owner
        self.folder = folder
        self.reserved = reserved
        self.reserved_entries = entries
        self.phase = Phase.RECEIVING
        self.all_volumes = False
        self.results: Sequence[FileResult] = ()
        self.began = time.monotonic()
        self.names: dict[str, str] = {}
        """The clients' names of the files by their relative paths."""
        self.lock = threading.RLock()
        self._taken = UploadedNames()
        self._paths: list[tuple[Path, int]] = []  # with the declared sizes
        self._starts: list[int] = []
        self.size = 0
        """Declared bytes of all files."""
        self.offset = 0
        """Bytes that have come."""
        self._turn = ""
        folder.mkdir(mode=0o700)

    @property
    def root(self) -> Path:
        """What to read: the file, if it is the only one, else the folder."""
        return self._paths[0][0] if len(self._paths) == 1 else self.folder

    def add_file(self, name: str, size: int) -> None:
        """Declare the next file; empty ones exist at once.

        Raises:
            TooManyFiles: it, or its folders, are more than is reserved.
        """
        with self.lock:
            relative = self._taken.add(name)
            if self._taken.entries > self.reserved_entries:
                raise TooManyFiles
            path = self.folder / relative
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
            self.names[relative.as_posix()] = name
            self._paths.append((path, size))
            self._starts.append(self.size)
            self.size += size

    def extend_last(self, size: int) -> None:
        """Declare that the last file has so many bytes more.

        Raises:
            TooMuch: more than is reserved.
        """
        with self.lock:
            if self.size + size > self.reserved:
                raise TooMuch
            path, before = self._paths[-1]
            self._paths[-1] = path, before + size
            self.size += size

    def take_turn(self) -> str:
        """Begin to send; whoever sent before has lost its connection, perhaps unnoticed."""
        with self.lock:
            self._turn = secrets.token_hex(8)
            return self._turn

    def write(self, offset: int, data: bytes | memoryview, turn: str | None = None) -> None:
        """Write what came.

        Raises:
            WrongOffset: it does not follow what is there, or another request sends by now.
            TooMuch: more than was declared.
            OSError: the disk is full.
        """
        with self.lock:
            if offset != self.offset or turn not in (None, self._turn):
                raise WrongOffset(self.offset)
            if self.phase is not Phase.RECEIVING:
                raise WrongOffset(self.offset)
            if offset + len(data) > self.size:
                raise TooMuch
            view = memoryview(data)
            while view:
                path, start, size = self._file_at(self.offset)
                place = self.offset - start
                part = view[: size - place]
                descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
                try:
                    written = os.pwrite(descriptor, part, place)
                finally:
                    os.close(descriptor)
                self.offset += written
                view = view[written:]

    def _file_at(self, offset: int) -> tuple[Path, int, int]:
        low, high = 0, len(self._starts)
        while high - low > 1:
            middle = (low + high) // 2
            if self._starts[middle] <= offset:
                low = middle
            else:
                high = middle
        path, size = self._paths[low]
        return path, self._starts[low], size

    def remove_files(self) -> None:
        """Delete the files; the names go with them. Idempotent."""
        with self.lock:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.names.clear()
            self._taken = UploadedNames()
            self._paths.clear()
            self._starts.clear()
