"""The uploads of this process: begun, received, stored, and forgotten in the end."""

import contextlib
import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta

from common.audit.writer import AuditWriter
from common.domain.tenant import ecgs_source, uploads_source
from common.formats.reader import Reader
from common.runtime.logger import Log
from common.settings.identity_keys import KEEP_KEYS, IdentityKeys, upload_keys
from common.settings.web import WebSettings
from common.store.unit_parts import WebStore
from fr_hub.web.uploads.folders import InstanceFolder
from fr_hub.web.uploads.intake import MIB, Intake
from fr_hub.web.uploads.names import UploadedNames
from fr_hub.web.uploads.reading import UploadReader
from fr_hub.web.uploads.reservations import Reservations
from fr_hub.web.uploads.results import FileResult
from fr_hub.web.uploads.storing import ScanWriter
from fr_hub.web.uploads.turns import Turns
from fr_hub.web.uploads.upload import Owner, Phase, Upload

STORING_THREADS = 2
"""Uploads whose scans are read and stored at a time: each may hold a whole scan."""

ENTRY_BYTES = 4096
"""What a file or a folder takes of the disk at least."""

_EXPIRE_EVERY_S = 60.0
_FINISHED_KEPT_S = 3600.0
"""How long the answer to a finished upload can be had again."""


class TooLarge(Exception):
    """The upload is larger than any may be."""


class UploadEnded(Exception):
    """The upload was cancelled, or has expired."""


class UploadDesk:
    """All uploads of this process. Thread-safe.

    The process' folder is made with the first upload, the folders that killed processes left are
    removed from then on, or from the start.
    """

    def __init__(
        self, settings: WebSettings, store: WebStore, audit: AuditWriter, log: Log
    ) -> None:
        self._settings = settings
        self._store = store
        self._audit = audit
        self.log = log
        self.limit = settings.web_upload_limit_mib * MIB
        tenants = list(settings.tenants)
        sources = [source(tenant) for tenant in tenants for source in (uploads_source, ecgs_source)]
        self._intake = Intake(settings, store.capacity, sources)
        self._space = Reservations(settings.web_uploads_mib * MIB, tenants)
        self._max_bytes = settings.scan_limit_mib * MIB
        self._reader = Reader(self._max_bytes, STORING_THREADS)
        self._turns = Turns(STORING_THREADS, "uploads")
        self._keys: dict[str, IdentityKeys] = {}
        self._uploads: dict[str, Upload] = {}
        self._lock = threading.Lock()
        self._folder: InstanceFolder | None = None
        self._closing = threading.Event()
        if (settings.data_dir.expanduser() / "web" / "uploads").exists():
            self._instance()
        threading.Thread(target=self._expire, name="uploads-expiry", daemon=True).start()

    def expires_at(self, upload: Upload) -> datetime:
        """When an upload that is not finished is deleted."""
        left = upload.began + self._settings.web_upload_hours * 3600 - time.monotonic()
        return datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=int(left))

    def begin(
        self, owner: Owner, files: Sequence[tuple[str, int]], *, all_volumes: bool = False
    ) -> Upload:
        """Begin an upload of files, given by name and size.

        Raises:
            TooLarge: it is larger than any may be.
            NoSpace: the user has as much under way as it may have.
            Full: no scan is taken now.
            StoreError: the backlog is not known.
            OSError: the disk is full.
        """
        planned = UploadedNames()
        for name, _ in files:
            planned.add(name)
        upload = self.reserve(owner, sum(size for _, size in files), planned.entries)
        upload.all_volumes = all_volumes
        try:
            for name, size in files:
                upload.add_file(name, size)
        except BaseException:
            self.end(upload)
            raise
        return upload

    def reserve(self, owner: Owner, size: int, entries: int) -> Upload:
        """Begin an upload whose files are not known yet.

        Args:
            owner: whose it is.
            size: bytes of all its files.
            entries: files and folders that it may have.

        Raises as ``begin``.
        """
        if size > self.limit:
            raise TooLarge
        self._intake.check(owner.source)
        with self._lock:
            open_ones = [one for one in self._uploads.values() if one.reserved]
            outstanding = sum(max(0, one.reserved - one.offset) for one in open_ones)
        space = _space(size, entries)
        self._intake.check_disk(space, outstanding)
        self._space.take(owner.tenant, owner.user, space, entries)
        try:
            folder = self._instance()
            name = f"{folder.instance}.{secrets.token_hex(16)}"
            upload = Upload(name, owner, folder.path / name.partition(".")[2], size, entries)
        except BaseException:
            self._space.release(owner.tenant, owner.user, space, entries)
            raise
        with self._lock:
            self._uploads[name] = upload
        return upload

    def find(self, upload_id: str, owner: Owner) -> Upload | None:
        """An upload of this owner; None if there is none here."""
        with self._lock:
            upload = self._uploads.get(upload_id)
        return upload if upload is not None and upload.owner == owner else None

    def finish(self, upload: Upload) -> "Future[Sequence[FileResult]]":
        """Store the scans of a complete upload, in the user's turn. Repeatable: a finished one has
        its results. The future raises as ``UploadReader.store``, or
        ``UploadEnded``."""
        return self._turns.submit(upload.owner.user, lambda: self._store_scans(upload))

    def end(self, upload: Upload) -> bool:
        """Forget an upload and delete its files; False if its scans are being stored."""
        with upload.lock:
            if upload.phase is Phase.STORING:
                return False
            upload.phase = Phase.ENDED
        self._free(upload)
        with self._lock:
            self._uploads.pop(upload.id, None)
        return True

    def close(self) -> None:
        """End all; what is being stored is finished first. Idempotent."""
        self._closing.set()
        self._turns.close()
        with self._lock:
            uploads = list(self._uploads.values())
        for upload in uploads:
            self.end(upload)
        self._reader.close()
        if self._folder is not None:
            self._folder.close()

    def _store_scans(self, upload: Upload) -> Sequence[FileResult]:
        with upload.lock:
            if upload.phase is Phase.FINISHED:
                return upload.results
            if upload.phase is not Phase.RECEIVING:
                raise UploadEnded
            upload.phase = Phase.STORING
        try:
            source = upload.owner.source
            reader = UploadReader(
                source=source,
                keys=self._keys_of(uploads_source(upload.owner.tenant)),
                account=upload.owner.account,
                reader=self._reader,
                max_bytes=self._max_bytes,
                check=lambda: self._intake.check(source),
                added=lambda: self._intake.stored(source),
            )
            writer = ScanWriter(self._store, upload.owner.user)
            results = reader.store(
                upload.root, upload.names, writer, self._audit, all_volumes=upload.all_volumes
            )
        except BaseException:
            upload.phase = Phase.RECEIVING  # it can be finished again
            raise
        with upload.lock:
            upload.results = results
            upload.phase = Phase.FINISHED
            upload.began = time.monotonic()
        self._free(upload)
        return results

    def _free(self, upload: Upload) -> None:
        """Delete the files and give back the space. Idempotent."""
        with upload.lock:
            size, entries, upload.reserved = upload.reserved, upload.reserved_entries, 0
            upload.reserved_entries = -1
        upload.remove_files()
        if entries >= 0:
            space = _space(size, entries)
            self._space.release(upload.owner.tenant, upload.owner.user, space, entries)

    def _keys_of(self, source: str) -> IdentityKeys:
        with self._lock:
            if source not in self._keys:
                self._keys[source] = keys = upload_keys(self._settings.data_dir, source)
                if keys.made:
                    files = ", ".join(map(str, keys.made))
                    self.log.info(f"created key files: {KEEP_KEYS}", files=files)
            return self._keys[source]

    def _instance(self) -> InstanceFolder:
        with self._lock:
            if self._folder is None:
                self._folder = folder = InstanceFolder(self._settings.data_dir)
                # Nobody waits for it: there may be very many files.
                threading.Thread(
                    target=self._sweep, args=(folder,), name="uploads-sweep", daemon=True
                ).start()
            return self._folder

    def _sweep(self, folder: InstanceFolder) -> None:
        removed = folder.sweep()
        if removed:
            self.log.info("deleted the files that ended processes left", folders=removed)

    def expire(self, now: float) -> int:
        """End what is too old at ``now`` (``time.monotonic()``); returns how many uploads."""
        with self._lock:
            uploads = list(self._uploads.values())
        return sum(self.end(one) for one in uploads if now - one.began > self._kept_s(one))

    def _kept_s(self, upload: Upload) -> float:
        finished = upload.phase is Phase.FINISHED
        return _FINISHED_KEPT_S if finished else self._settings.web_upload_hours * 3600

    def _expire(self) -> None:
        while not self._closing.wait(_EXPIRE_EVERY_S):
            self.expire(time.monotonic())


def _space(size: int, entries: int) -> int:
    """What an upload takes of the disk, bytes: empty files and folders take some, too."""
    return max(size, entries * ENTRY_BYTES)


@contextlib.contextmanager
def opened_desk(
    settings: WebSettings, store: WebStore, audit: AuditWriter, log: Log
) -> Iterator[UploadDesk]:
    """A desk that is closed at the end of the block."""
    desk = UploadDesk(settings, store, audit, log)
    try:
        yield desk
    finally:
        desk.close()
