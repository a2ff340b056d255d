"""An index of the chains and of the events recorded for each scan, in a temporary file rather than
in memory, so that the trail of millions of scans can be verified in little memory."""

import sqlite3
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from enum import IntFlag
from types import TracebackType
from typing import Self

from common.domain.audit_chain import Chain, Head, heads_in
from common.domain.audit_events import Kind
from common.domain.scan_key import scan_id_of
from common.domain.types import Document

_ADD_EVENTS = (
    "INSERT INTO scans VALUES (COALESCE((SELECT key FROM renamed WHERE id = :id), :id), :events) "
    "ON CONFLICT (id) DO UPDATE SET events = events | excluded.events"
)
_CACHE_KIB = 64 * 1024
_PAGE = 1000


class RecordedEvents(IntFlag):
    """The kinds of events that the trail has of a scan."""

    RECEIVED = 1
    REPORTED = 2
    SENT = 4
    FAILED = 8
    OTHER = 16
    UNANSWERED = 32


_EVENTS = {
    Kind.RECEIVE: RecordedEvents.RECEIVED,
    Kind.REPORT: RecordedEvents.REPORTED,
    Kind.SEND: RecordedEvents.SENT,
    Kind.ERROR: RecordedEvents.FAILED,
    Kind.UNANSWERED: RecordedEvents.UNANSWERED,
}


class ScanIndex:
    """Scans with their recorded events, chains as far as they were read, the places that anchors
    name, and suspect scans."""

    def __init__(self) -> None:
        # An empty name: SQLite creates a temporary file and deletes it with the connection.
        self._data = sqlite3.connect("", isolation_level=None)
        self._data.execute("PRAGMA journal_mode = OFF")
        self._data.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        for table in (
            "scans (id TEXT PRIMARY KEY, events INTEGER) WITHOUT ROWID",
            "anchors (writer TEXT, seq INTEGER, hash TEXT, source TEXT, "
            "PRIMARY KEY (writer, seq, hash)) WITHOUT ROWID",
            "chains (writer TEXT PRIMARY KEY, entries INTEGER, seq INTEGER, hash TEXT, "
            "closed INTEGER, at REAL) WITHOUT ROWID",
            "acknowledged (id TEXT PRIMARY KEY, at REAL) WITHOUT ROWID",
            "suspects (id TEXT PRIMARY KEY) WITHOUT ROWID",
            "renamed (id TEXT PRIMARY KEY, key TEXT) WITHOUT ROWID",
            "archived (writer TEXT, seq INTEGER, hash TEXT, PRIMARY KEY (writer, seq)) "
            "WITHOUT ROWID",
        ):
            self._data.execute(f"CREATE TABLE {table}")

    def __enter__(self) -> Self:
        self._data.execute("BEGIN")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._data.close()

    def add_renamed(self, keys: Iterable[str]) -> None:
        """Index events that name these scans by their ids under their keys; before any entry."""
        self._data.executemany(
            "INSERT OR IGNORE INTO renamed VALUES (?, ?)", [(scan_id_of(key), key) for key in keys]
        )

    def add(self, entry: Document, at: str) -> None:
        """Index the events and anchors of an intact entry."""
        self._data.executemany(
            _ADD_EVENTS,
            [
                {"id": key, "events": int(_EVENTS.get(one["kind"], RecordedEvents.OTHER))}
                for one in entry["events"]
                for key in one.get("ids", ())
            ],
        )
        self.add_anchors(heads_in(entry), at)

    def add_archived(self, entry: Document) -> None:
        """Index an intact entry of an archive."""
        at = Head(entry["_id"]["writer"], entry["_id"]["seq"], entry["hash"])
        values = (at.writer, at.seq, at.hash)
        self._data.execute("INSERT OR REPLACE INTO archived VALUES (?, ?, ?)", values)
        self.add(entry, at.at)

    def archived_hash(self, head: Head) -> str | None:
        """The hash that the archives have at this place; None: they do not have it."""
        wanted = "SELECT hash FROM archived WHERE writer = ? AND seq = ?"
        row = self._data.execute(wanted, (head.writer, head.seq)).fetchone()
        return None if row is None else str(row[0])

    def add_anchors(self, heads: Iterable[Head], source: str) -> None:
        """Add places that must have these hashes, and the source that names them."""
        self._data.executemany(
            "INSERT OR IGNORE INTO anchors VALUES (?, ?, ?, ?)",
            [(head.writer, head.seq, head.hash, source) for head in heads],
        )

    def anchors(self) -> Iterator[list[tuple[Head, str]]]:
        """The named places, each with its source, in pages."""
        rows = self._data.execute("SELECT writer, seq, hash, source FROM anchors")
        while page := rows.fetchmany(_PAGE):
            yield [(Head(writer, seq, digest), source) for writer, seq, digest, source in page]

    def put_chain(self, chain: Chain) -> None:
        """Keep a chain as far as it was read."""
        at = None if chain.at is None else chain.at.timestamp()
        values = (chain.writer, chain.entries, chain.seq, str(chain.hash), chain.closed, at)
        self._data.execute("INSERT OR REPLACE INTO chains VALUES (?, ?, ?, ?, ?, ?)", values)

    def chain(self, writer: str) -> Chain:
        """A chain as far as it was read; a new one if nothing of it was."""
        row = self._data.execute(
            "SELECT entries, seq, hash, closed, at FROM chains WHERE writer = ?", (writer,)
        ).fetchone()
        if row is None:
            return Chain(writer)
        at = None if row[4] is None else datetime.fromtimestamp(row[4], UTC)
        return Chain(writer, entries=row[0], seq=row[1], hash=row[2], closed=bool(row[3]), at=at)

    def chain_pages(self, size: int) -> Iterator[tuple[str, str | None, dict[str, int]]]:
        """The last ``seq`` read of each chain, in pages in order of the writers: the writers are
        those after the first one returned, up to the second (None: the last page)."""
        after = ""
        while True:
            wanted = "SELECT writer, seq FROM chains WHERE writer > ? ORDER BY writer LIMIT ?"
            page = dict(self._data.execute(wanted, (after, size)).fetchall())
            through = max(page) if len(page) == size else None
            yield after, through, page
            if through is None:
                return
            after = through

    def heads(self) -> Iterator[Head]:
        """The last entry read of each chain."""
        rows = self._data.execute("SELECT writer, seq, hash FROM chains WHERE seq >= 0")
        for writer, seq, digest in rows:
            yield Head(writer, seq, digest)

    def count_chains(self) -> tuple[int, int, int]:
        """The numbers of chains, of their entries, and of chains without an end."""
        return tuple(
            self._data.execute(
                "SELECT COUNT(*), COALESCE(SUM(entries), 0), COALESCE(SUM(closed = 0), 0) "
                "FROM chains"
            ).fetchone()
        )

    def count_not_anchored(self) -> int:
        """The number of entries after the last one of their chain that an anchor names."""
        ((count,),) = self._data.execute(
            "SELECT COALESCE(SUM(MAX(0, chains.seq - COALESCE(named.seq, -1))), 0) FROM chains "
            "LEFT JOIN (SELECT writer, MAX(seq) AS seq FROM anchors GROUP BY writer) AS named "
            "ON named.writer = chains.writer"
        )
        return int(count)

    def scans(self) -> Iterator[tuple[str, RecordedEvents]]:
        """Each scan with its recorded events, in order of the ids."""
        for key, recorded in self._data.execute("SELECT id, events FROM scans ORDER BY id"):
            yield key, RecordedEvents(recorded)

    def recorded(self, keys: Iterable[str]) -> dict[str, RecordedEvents]:
        """The recorded events of these scans; without scans that have none."""
        found = {}
        for key in keys:
            row = self._data.execute("SELECT events FROM scans WHERE id = ?", (key,)).fetchone()
            if row is not None:
                found[key] = RecordedEvents(row[0])
        return found

    def add_acknowledged(self, scans: Iterable[tuple[str, datetime]]) -> None:
        """Add scans that a Fr-PACS' ledger names as acknowledged, each with the time."""
        self._data.executemany(
            "INSERT OR IGNORE INTO acknowledged VALUES (?, ?)",
            ((key, at.timestamp()) for key, at in scans),
        )

    def acknowledged_unrecorded(self, since: datetime) -> Iterator[str]:
        """Scans acknowledged since then that the trail does not say were received."""
        # An earlier release wrote the id alone.
        found = self._data.execute(
            "SELECT id FROM acknowledged WHERE at >= ? AND NOT EXISTS "
            "(SELECT 1 FROM scans WHERE events & ? AND (scans.id = acknowledged.id OR scans.id > "
            "acknowledged.id || '@' AND scans.id < acknowledged.id || 'A')) ORDER BY id",
            (since.timestamp(), int(RecordedEvents.RECEIVED)),
        )
        yield from (key for (key,) in found)

    def add_suspect(self, key: str) -> None:
        """Remember that something may be wrong with this scan: it is checked again."""
        self._data.execute("INSERT OR IGNORE INTO suspects VALUES (?)", (key,))

    def suspects(self) -> Iterator[list[str]]:
        """The suspect scans in order of their ids, in pages."""
        rows = self._data.execute("SELECT id FROM suspects ORDER BY id")
        while page := rows.fetchmany(_PAGE):
            yield [key for (key,) in page]
