"""The archive of the audit trail: a file of JSON lines (MongoDB Extended JSON v2, canonical).

.. code-block:: text

    {"entry": {…}}       an entry; chain by chain, each whole and in order
    {"tombstone": {…}}   a purged or erased scan: key, state, time
    {"checkpoint": {…}}  the last line: counts, times, BLAKE3 over the lines before it, the last
                         hash of each chain, and their signature (Ed25519)
"""

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from blake3 import blake3
from bson import json_util
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from common.domain.audit_chain import Chain, Head
from common.domain.audit_checkpoint import Checkpoint
from common.domain.types import Document
from common.errors import ArchiveDamaged, SettingsError
from common.store.db_manager import DBManager

CHAINS_PER_ARCHIVE = 50_000
"""The most chains in one file; the next export takes the others."""

_NEW = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC

_KINDS = ("entry", "tombstone", "checkpoint")

_OPTIONS = json_util.JSONOptions(json_mode=json_util.JSONMode.CANONICAL, tz_aware=True, tzinfo=UTC)


class _ArchiveWriter:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = blake3()
        self._heads: list[Head] = []
        self._entries = self._tombstones = 0
        self._times: list[datetime] = []  # of the earliest and the latest entry

    def add_chain(self, store: DBManager, head: Head) -> None:
        """Write a chain; nothing of it if it is not whole and intact."""
        start, before = self._file.tell(), self._hash.copy()
        chain, times = Chain(head.writer), self._times
        for entry in store.audit_log.entries(head.writer, -1, head.seq):
            if any(chain.check(entry)):
                break
            self._line("entry", entry)
            times = [min([*times[:1], entry["at"]]), max([*times[1:], entry["at"]])]
        if chain.intact and chain.closed and chain.head == head:
            self._heads.append(head)
            self._entries += chain.entries
            self._times = times
            return
        self._file.seek(start)
        self._file.truncate()
        self._hash = before

    def add_tombstone(self, tombstone: Document) -> None:
        self._line("tombstone", tombstone)
        self._tombstones += 1

    def _line(self, kind: str, content: Document) -> None:
        line = json_util.dumps({kind: content}, json_options=_OPTIONS).encode() + b"\n"
        self._file.write(line)
        self._hash.update(line)

    @property
    def chains(self) -> int:
        return len(self._heads)

    def end(self, key: Ed25519PrivateKey) -> Checkpoint:
        first, last = (at.isoformat(timespec="milliseconds") for at in self._times)
        made = Checkpoint(
            entries=self._entries,
            chains=self.chains,
            tombstones=self._tombstones,
            first=first,
            last=last,
            blake3=self._hash.hexdigest(),
            heads=tuple(self._heads),
        ).signed(key)
        self._file.write(json.dumps({"checkpoint": made.to_document()}).encode() + b"\n")
        return made


def export(store: DBManager, path: Path, days: float, key: Ed25519PrivateKey) -> Checkpoint | None:
    """Write the chains that ended more than ``days`` days ago, and tombstones as old, to a file.

    The file appears whole and durable. Without such a chain there is none, and this returns None.

    Raises:
        SettingsError: the file exists or cannot be written.
        StoreError: the store cannot be read.
    """
    before = store.audit_archive.before(days)
    with _new_file(path) as (file, publish):
        writer = _ArchiveWriter(file)
        for head in store.audit_archive.closed(before):
            if writer.chains < CHAINS_PER_ARCHIVE:
                writer.add_chain(store, head)
        if not writer.chains:
            return None
        for tombstone in store.audit_archive.tombstones(before):
            writer.add_tombstone(tombstone)
        checkpoint = writer.end(key)
        publish()
    return checkpoint


@contextmanager
def _new_file(path: Path) -> Iterator[tuple[BinaryIO, Any]]:
    """A temporary file beside ``path``, and the function that makes it appear there."""
    if path.exists():
        raise SettingsError(f"FILE={str(path)!r}: the file exists; name a new one")
    temporary = path.parent / f".{path.name[:100]}.{secrets.token_hex(8)}"
    try:
        with os.fdopen(os.open(temporary, _NEW, 0o600), "w+b") as file:

            def publish() -> None:
                file.flush()
                os.fsync(file.fileno())
                temporary.rename(path)
                folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
                try:
                    os.fsync(folder)
                finally:
                    os.close(folder)

            yield file, publish
    except OSError as error:
        raise SettingsError(f"FILE={str(path)!r}: {error.strerror}") from error
    finally:
        temporary.unlink(missing_ok=True)


class Archive:
    """An archive whose hashes, chains, counts and signature are right.

    Args:
        path: the file; it is read once.
        setting: the setting that names it.

    Raises:
        ArchiveDamaged: it was changed or is not complete.
        SettingsError: it cannot be read.
    """

    def __init__(self, path: Path, setting: str) -> None:
        self._path = path
        self._setting = setting
        self._hash = blake3()
        self._count = {"entry": 0, "tombstone": 0}
        try:
            heads = tuple(self._heads())
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._damaged(f"line {self._number} is not a line of an archive") from error
        found = self.checkpoint
        counts = (found.entries, found.tombstones, found.chains, found.heads, found.blake3)
        read = (*self._count.values(), len(heads), heads, self._hash.hexdigest())
        if counts != read:
            raise self._damaged("its lines do not match its checkpoint")
        if not found.is_signed:
            raise self._damaged("the signature of its checkpoint is wrong")

    def __str__(self) -> str:
        return f"{self._setting}={str(self._path)!r}"

    def entries(self) -> Iterator[Document]:
        """Its entries, chain by chain, each in order."""
        for kind, content, _ in self._lines():
            if kind == "entry":
                yield content

    def pages(self, size: int) -> Iterator[list[Document]]:
        """Its entries in pages."""
        page: list[Document] = []
        for entry in self.entries():
            page.append(entry)
            if len(page) == size:
                yield page
                page = []
        if page:
            yield page

    def _heads(self) -> Iterator[Head]:
        chain: Chain | None = None
        for kind, content, line in self._lines():
            if kind == "checkpoint":
                self.checkpoint = Checkpoint.from_document(content)
                break
            self._hash.update(line)
            self._count[kind] += 1
            if kind == "tombstone":
                continue
            writer = content["_id"]["writer"]
            if chain is None or chain.writer != writer:
                if chain is not None:
                    yield chain.head
                chain = Chain(writer)
            for problem in chain.check(content):
                raise self._damaged(f"{problem.at}: {problem.what}")
        else:
            raise self._damaged("it has no checkpoint: it was not written completely")
        if chain is not None:
            yield chain.head

    def _lines(self) -> Iterator[tuple[str, Any, bytes]]:
        self._number = 0
        try:
            with self._path.open("rb") as file:
                for line in file:
                    self._number += 1
                    yield *_parsed(line), line
        except OSError as error:
            raise SettingsError(f"{self}: {error.strerror}") from error

    def _damaged(self, reason: str) -> ArchiveDamaged:
        return ArchiveDamaged(f"{self}: {reason}")


def _parsed(line: bytes) -> tuple[str, Any]:
    [(kind, content)] = json_util.loads(line, json_options=_OPTIONS).items()
    if kind not in _KINDS:
        raise ValueError("not a line of an archive")
    return kind, content
