"""The history that a world begins with is one that its commands find no fault with."""

from common.audit.verification import AuditVerifier
from common.commands.verify import verify
from common.store.db_manager import DBManager
from tests.faults.old import fill


def test_an_old_database_has_no_gaps(store: DBManager) -> None:
    keys = fill(store.connection.uri, store.connection.name, 120)
    assert len(keys) == 120
    assert verify(store).gaps == 0
    verdict = AuditVerifier(store).run()
    assert (verdict.total, verdict.chains) == (0, 120)
    assert verdict.open_chains == 12
