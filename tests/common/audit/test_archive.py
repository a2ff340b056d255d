"""The archive as a file: what is in it, and that it cannot be changed unnoticed."""

import json
import stat
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from common.audit.archive import Archive, export
from common.audit.pruning import Pruning
from common.audit.writer import AuditWriter
from common.domain.audit_checkpoint import Checkpoint, public_hex
from common.domain.audit_events import Kind
from common.domain.types import Document, utc_now
from common.errors import ArchiveDamaged, SettingsError
from common.runtime.logger import get_log
from common.store.collections import Collection
from common.store.db_manager import DBManager
from tests.common.audit.trail import archivable, entries, exported, note
from tests.common.store.damaging import Damage, removing, setting, undecodable, with_id
from tests.factories import LONG_AGO, inside

KEY = Ed25519PrivateKey.generate()


def test_the_archive_has_the_stored_entries_and_tombstones(
    store: DBManager, tmp_path: Path
) -> None:
    archivable(store)
    hash_of_voxels = "ab" * 32
    inside(store).insert_one(
        {
            "_id": "purged@pacs-1",
            "report_generated": "Purged",
            "purged_at": LONG_AGO,
            "voxels_hash": hash_of_voxels,
        }
    )
    archive = exported(store, tmp_path / "a", KEY)
    [head] = archive.checkpoint.heads
    stored = entries(store, head.writer)
    assert list(archive.entries()) == stored
    assert next(iter(archive.pages(2))) == stored[:2]
    found = archive.checkpoint
    assert (found.entries, found.chains, found.tombstones) == (len(stored), 1, 1)
    assert (found.began, found.ended) == (stored[0]["at"], stored[-1]["at"])
    assert (found.public_key, found.is_signed) == (public_hex(KEY), True)
    text = (tmp_path / "a").read_text()
    assert "purged@pacs-1" in text
    assert hash_of_voxels not in text
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_open_young_changed_and_unanchored_chains_are_not_archived(
    store: DBManager, tmp_path: Path
) -> None:
    assert export(store, tmp_path / "a", 0, KEY) is None
    with closing(AuditWriter(store.audit_log, "fr-hub", get_log())) as audit:
        note(audit, (Kind.CLAIM, ["one"]))
        assert export(store, tmp_path / "a", 0, KEY) is None  # open
    assert export(store, tmp_path / "a", 0, KEY) is None  # no other chain names its end
    archivable(store)
    assert export(store, tmp_path / "a", 1, KEY) is None  # young
    for document in inside(store, Collection.AUDIT).find({"events.kind": "claim"}):
        where = {"_id": document["_id"]}
        inside(store, Collection.AUDIT).update_one(where, {"$set": {"events.0.peer": "planted"}})
    assert export(store, tmp_path / "a", 0, KEY) is None
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_is_never_replaced(store: DBManager, tmp_path: Path) -> None:
    archivable(store)
    (tmp_path / "a").write_text("the only copy")
    with pytest.raises(SettingsError, match="the file exists"):
        export(store, tmp_path / "a", 0, KEY)
    with pytest.raises(SettingsError, match="FILE="):
        export(store, tmp_path / "no" / "a", 0, KEY)
    assert (tmp_path / "a").read_text() == "the only copy"


def _signed_again(lines: list[bytes]) -> list[bytes]:
    """With the checkpoint of another key, over the same wrong content."""
    found = Checkpoint.from_document(json.loads(lines[-1])["checkpoint"])
    made = {"checkpoint": found.signed(Ed25519PrivateKey.generate()).to_document()}
    return [*lines[:-1], json.dumps(made).encode() + b"\n"]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda lines: [lines[0].replace(b"fr-hub", b"fr-bub"), *lines[1:]], "content does not"),
        (lambda lines: [*lines[:1], *lines[2:]], "removed before it"),
        (lambda lines: [*lines[:-2], lines[-1]], "do not match its checkpoint"),
        (lambda lines: _signed_again([*lines[:-2], lines[-1]]), "do not match its checkpoint"),
        (lambda lines: lines[:-1], "has no checkpoint"),
        (lambda _: [], "has no checkpoint"),
        (lambda lines: [*lines[:-1], lines[-1][:-40]], "is not a line of an archive"),
        (lambda lines: [b"[1]\n", *lines], "line 1 is not"),
        (lambda lines: [*lines[:-1], lines[-1].replace(b'"first": "2', b'"first": "1')], "signat"),
    ],
)
def test_a_changed_archive_is_refused(
    store: DBManager,
    tmp_path: Path,
    change: Callable[[list[bytes]], list[bytes]],
    what: str,
) -> None:
    archivable(store)
    exported(store, tmp_path / "a", KEY)
    lines = (tmp_path / "a").read_bytes().splitlines(keepends=True)
    (tmp_path / "a").write_bytes(b"".join(change(lines)))
    with pytest.raises(ArchiveDamaged, match=what):
        Archive(tmp_path / "a", "FILE")


def test_a_missing_archive_is_a_wrong_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="FILE="):
        Archive(tmp_path / "none", "FILE")


@pytest.mark.parametrize(
    "damage",
    [
        undecodable("hash"),
        undecodable("events"),
        setting(at="x"),
        setting(heads=[{"at": 3, "hash": []}]),
        setting(hash=[]),
        removing("hash"),
        with_id(5),
        with_id("undecodable"),
    ],
)
def test_chains_beside_a_damaged_entry_are_archived_and_not_pruned_until_it_is_looked_at(
    store: DBManager, tmp_path: Path, damage: Damage
) -> None:
    archivable(store)
    whole = {head.writer for head in store.audit_archive.closed(utc_now() + timedelta(days=1))}
    archivable(store)
    other = {head.writer for head in store.audit_archive.closed(utc_now() + timedelta(days=1))}
    damaged = max(other - whole, key=lambda writer: len(entries(store, writer)))
    damage(store, Collection.AUDIT, {"writer": damaged, "seq": 1})
    archive = exported(store, tmp_path / "archive", KEY)
    writers = {head.writer for head in archive.checkpoint.heads}
    assert whole <= writers
    assert damaged not in writers
    with pytest.raises(ArchiveDamaged, match="problems"):
        Pruning(store, archive, get_log())


@pytest.mark.parametrize(
    "document",
    [
        {"_id": 5},
        {"_id": "x@pacs-1", "erased_at": "x"},
        {"_id": "x@pacs-1", "report_generated": "Purged", "erased_at": LONG_AGO, "purged_at": 3},
    ],
)
def test_tombstones_beside_a_damaged_one_are_archived(
    store: DBManager, tmp_path: Path, document: Document
) -> None:
    archivable(store)
    tombstone = {"_id": "y@pacs-1", "report_generated": "Erased", "erased_at": LONG_AGO}
    inside(store).insert_many([{"report_generated": "Erased", **document}, tombstone])
    inside(store).insert_one({**tombstone, "_id": "z"})
    with_id("undecodable")(store, Collection.SCANS, "z")
    archive = exported(store, tmp_path / "archive", KEY)
    assert b'"y@pacs-1"' in (tmp_path / "archive").read_bytes()
    assert 1 <= archive.checkpoint.tombstones <= 2
