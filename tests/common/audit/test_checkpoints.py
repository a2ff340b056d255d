"""The checkpoints of a trail: what they name, and which archives they cover."""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from common.audit.checkpoints import Checkpoints
from common.audit.pruning import Pruning
from common.domain.audit_chain import Head
from common.runtime.logger import get_log
from common.store.db_manager import DBManager
from tests.common.audit.trail import archivable, exported

KEY = Ed25519PrivateKey.generate()


def test_a_trail_without_checkpoints_names_nothing(store: DBManager) -> None:
    archivable(store)
    found = Checkpoints.read(store.audit_log)
    assert (found.found, found.entries, found.keys, found.began, found.until) == (
        (),
        0,
        (),
        None,
        None,
    )
    assert not found.names(Head("fr-hub", 0, "0" * 64))


def test_a_checkpoint_names_the_entries_of_its_chains(store: DBManager, tmp_path: Path) -> None:
    archivable(store)
    archive = exported(store, tmp_path / "a", KEY)
    assert [str(one.at) for one in Checkpoints([], [archive]).unknown()] == [str(archive)]
    Pruning(store, archive, get_log()).apply()
    found = Checkpoints.read(store.audit_log)
    assert found.found == (archive.checkpoint,)
    [head] = found.heads()
    assert found.last_of(head.writer) == head
    assert found.last_of("another") is None
    assert found.names(head)
    assert found.names(Head(head.writer, head.seq - 1, "f" * 64))
    assert not found.names(Head(head.writer, head.seq, "f" * 64))
    assert not found.names(Head(head.writer, head.seq + 1, "f" * 64))
    assert (found.began, found.until) == (archive.checkpoint.began, archive.checkpoint.ended)
    with_file = Checkpoints.read(store.audit_log, [archive])
    assert with_file.until is None
    assert (list(with_file.archived()), list(with_file.unknown())) == ([archive], [])
