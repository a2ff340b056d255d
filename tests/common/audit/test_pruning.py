"""Pruning the audit trail: only what was archived goes, and a kill at any point loses nothing."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from common.audit.archive import Archive
from common.audit.chain_writer import ChainWriter
from common.audit.pruning import Pruning
from common.audit.verification import ARCHIVED, AuditVerdict, AuditVerifier
from common.audit.writer import AuditWriter
from common.domain import audit_checkpoint
from common.domain.audit_chain import Head, make_entry
from common.domain.audit_events import Kind, event
from common.domain.types import Document
from common.errors import ArchiveDamaged
from common.runtime.logger import get_log
from common.store.audit_archive import AuditArchive
from common.store.audit_log import PRUNER
from common.store.collections import Collection
from common.store.db_manager import DBManager
from tests.common.audit.trail import archivable, entries, exported
from tests.factories import inside
from tests.running import until

KEY = Ed25519PrivateKey.generate()


def pruned(store: DBManager, archive: Archive) -> int:
    return Pruning(store, archive, get_log()).apply()


def verdict(store: DBManager, *archives: Archive) -> AuditVerdict:
    return AuditVerifier(store, archives=archives).run()


def anchor(store: DBManager) -> None:
    """Run a hub, which anchors the chains that ended."""
    with closing(AuditWriter(store.audit_log, "fr-hub", get_log())) as hub:
        until(lambda: hub.chain)


@pytest.fixture
def archive(store: DBManager, tmp_path: Path) -> Archive:
    archivable(store)
    return exported(store, tmp_path / "archive", KEY)


def test_a_round_trip(store: DBManager, archive: Archive) -> None:
    [head] = archive.checkpoint.heads
    before = verdict(store)
    assert before.total == 0
    kept = [one for one in entries(store) if one["_id"]["writer"] != head.writer]
    assert pruned(store, archive) == archive.checkpoint.entries
    left = [one for one in entries(store) if not one["_id"]["writer"].startswith(PRUNER)]
    assert left == kept
    after = verdict(store)
    assert (after.total, after.checkpoints, after.archived) == (0, 1, archive.checkpoint.entries)
    assert after.checkpoint_keys == (archive.checkpoint.public_key,)
    assert after.notes[ARCHIVED].count == 2
    whole = verdict(store, archive)
    assert (whole.total, whole.notes[ARCHIVED].count) == (0, 0)
    assert pruned(store, archive) == 0
    assert verdict(store).checkpoints == 1


def test_a_second_archive_is_pruned_beside_the_first(
    store: DBManager, archive: Archive, tmp_path: Path
) -> None:
    pruned(store, archive)
    archivable(store)
    second = exported(store, tmp_path / "second", KEY)
    pruned(store, second)
    assert (verdict(store).total, verdict(store).checkpoints) == (0, 2)
    assert verdict(store, archive, second).total == 0
    assert verdict(store, archive).notes[ARCHIVED].count > 0


def test_what_only_archived_entries_anchored_stays_anchored(
    store: DBManager, tmp_path: Path
) -> None:
    with closing(AuditWriter(store.audit_log, "processor", get_log())) as running:
        until(lambda: running.chain)
        archivable(store)  # names the entries of the chain that goes on
        archive = exported(store, tmp_path / "archive", KEY)
        assert running.writer not in {head.writer for head in archive.checkpoint.heads}
        pruned(store, archive)
        assert verdict(store).total == 0
        inside(store, Collection.AUDIT).delete_many({"_id.writer": running.writer})
        assert running.writer in str(verdict(store).problems)


def test_scans_that_the_archive_does_not_mention_are_gaps_with_it(
    store: DBManager, archive: Archive
) -> None:
    pruned(store, archive)
    inside(store).update_many({}, {"$set": {"recorded_in": archive.checkpoint.heads[0].writer}})
    [document, _] = inside(store).find()
    key = "other@pacs-1"
    header = {**document["scan"], "scan_id": "other"}
    inside(store).insert_one({**document, "_id": key, "scan": header})
    assert verdict(store).total == 0
    gaps = verdict(store, archive).gaps
    assert {name for gap in gaps.values() for name in gap.named} == {key}


class Killed(Exception):
    """Stands for SIGKILL."""


@pytest.mark.sample(2)
@pytest.mark.parametrize("after", range(7))
def test_a_kill_between_any_two_writes_is_continued(
    store: DBManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    """The writes: opened, the checkpoint in three parts, then the entries one by one."""
    for _ in range(2):
        archivable(store)
    archive = exported(store, tmp_path / "archive", KEY)
    assert archive.checkpoint.chains == 3
    monkeypatch.setattr(audit_checkpoint, "HEADS_PER_PART", 1)
    monkeypatch.setattr("common.audit.pruning._PAGE", 1)
    writes = 0

    def counting(call: Any) -> Any:
        def counted(*args: Any) -> Any:
            nonlocal writes
            if writes >= after:
                raise Killed
            writes += 1
            return call(*args)

        return counted

    with monkeypatch.context() as patch:
        patch.setattr(ChainWriter, "write", counting(ChainWriter.write))
        patch.setattr(AuditArchive, "remove", counting(AuditArchive.remove))
        with pytest.raises(Killed):
            pruned(store, archive)
    assert verdict(store).total == 0
    assert verdict(store, archive).gaps == verdict(store).gaps
    again = Pruning(store, archive, get_log())
    assert again.is_recorded == (after >= 4)
    again.apply()
    assert verdict(store, archive).total == 0
    assert verdict(store).checkpoints == 1
    gone = {head.writer for head in archive.checkpoint.heads}
    assert gone.isdisjoint(one["_id"]["writer"] for one in entries(store))


@pytest.mark.parametrize("part", ["all of it", "its signature"])
def test_removal_without_a_whole_checkpoint_is_found(
    store: DBManager, archive: Archive, part: str
) -> None:
    pruned(store, archive)
    anchor(store)
    trail = inside(store, Collection.AUDIT)
    checkpoint = trail.find_one({"events.kind": Kind.CHECKPOINT})
    assert checkpoint is not None
    if part == "all of it":
        trail.delete_many({"_id.writer": checkpoint["_id"]["writer"]})
    else:
        forged = [{**checkpoint["events"][0], "signature": "00" * 64}, checkpoint["events"][1]]
        heads = [Head.parse(one["at"], one["hash"]) for one in checkpoint["heads"]]
        place = checkpoint["_id"]
        entry = make_entry(place["writer"], place["seq"], checkpoint["prev"], forged, heads)
        trail.replace_one({"_id": place}, entry)
    found = verdict(store)
    assert found.checkpoints == 0
    [head] = archive.checkpoint.heads
    assert head.at in str(found.problems)


def test_removal_of_what_no_checkpoint_names_is_found(store: DBManager, archive: Archive) -> None:
    pruned(store, archive)
    anchor(store)
    archivable(store)
    inside(store, Collection.AUDIT).delete_one({"events.kind": Kind.REPORT})
    assert verdict(store).problems.count > 0


@pytest.mark.sample(1)
@pytest.mark.parametrize("seq", [0, 1, "the last one", "after it"])
def test_an_entry_added_to_a_pruned_chain_is_found(
    store: DBManager, archive: Archive, seq: Any
) -> None:
    pruned(store, archive)
    [head] = archive.checkpoint.heads
    place = {"the last one": head.seq, "after it": head.seq + 1}.get(seq, seq)
    events: Sequence[Document] = [event(Kind.OPENED), event(Kind.RECEIVE, ["x"])]
    entry = make_entry(head.writer, place, head.hash, events)
    inside(store, Collection.AUDIT).insert_one(entry)
    assert head.writer in str(verdict(store).problems)


def test_an_entry_that_comes_back_as_it_was_is_found_unless_the_end_is_there(
    store: DBManager, archive: Archive
) -> None:
    pruned(store, archive)
    first, *_, last = archive.entries()
    trail = inside(store, Collection.AUDIT)
    trail.insert_one(first)
    assert verdict(store).problems.count > 0
    trail.delete_one({"_id": first["_id"]})
    trail.insert_one(last)  # as after a kill
    assert verdict(store).total == 0


@pytest.mark.parametrize("change", ["changed", "removed", "added"])
def test_nothing_is_removed_where_the_trail_differs(
    store: DBManager, archive: Archive, change: str
) -> None:
    trail = inside(store, Collection.AUDIT)
    [head] = archive.checkpoint.heads
    where = {"_id": {"writer": head.writer, "seq": head.seq}}
    if change == "changed":
        trail.update_one(where, {"$set": {"events.0.peer": "planted"}})
    elif change == "removed":
        trail.delete_one(where)
    else:
        trail.insert_one(make_entry(head.writer, head.seq + 1, head.hash, [event(Kind.CLAIM)]))
    before = entries(store)
    with pytest.raises(ArchiveDamaged, match="nothing was removed"):
        pruned(store, archive)
    assert entries(store) == before


def test_an_archive_of_another_trail_is_refused(store: DBManager, archive: Archive) -> None:
    inside(store, Collection.AUDIT).delete_many({})
    archivable(store)
    with pytest.raises(ArchiveDamaged, match="differs from this archive at"):
        pruned(store, archive)
    found = verdict(store, archive)
    assert "no checkpoint of the trail names this archive" in str(found.problems)
