"""``DBManager``: the store, and with its parts (``db_*``) the only room with PyMongo (its errors
are made ours in ``store_errors``, its wake-ups are in ``wake_ups``).

The methods are the state transitions of ``common.domain.states.TRANSITIONS``, each atomic for a
scan and filtered by state, owner and fence. Whatever is acknowledged to somebody was written with
write concern majority, journaled. Blocking and thread-safe; Fr-HUB calls it from worker threads.

Durability where it is not needed is not paid for: a claim and the lease of a report are written
with ``w: 1``. Lost in a fail-over, they are made again, and the owner in each filter keeps a
forgotten claim from finishing anything.
"""

from common.domain.states import ReportGenerated
from common.store.audit_log import AuditLog
from common.store.capacity import WAITING, Levels
from common.store.claims import Claims
from common.store.error_mapping import translated
from common.store.failed_scans import Quarantine
from common.store.outbox import Outbox
from common.store.pictures import Pictures
from common.store.queries import Views
from common.store.retention import Retention
from common.store.scans import Ingest
from common.store.server_status import Abouts
from common.store.supervision import Watch


class DBManager(
    Ingest, Outbox, Claims, Quarantine, Watch, Levels, Retention, Pictures, Abouts, Views, AuditLog
):
    """The store: one class, its methods in a file for each who calls them.

    Args:
        uri: of a standalone server, a replica set or a sharded cluster.
        database: its name.
        timeout_s: the longest that a call may take, server selection and retries included.

    Raises (all methods):
        StoreUnavailable: MongoDB is away or without its majority; the call may have had its
            effect or not, and can be repeated.
        StoreRefused: MongoDB refuses the login or the command.
        StoreError: it answered with something else.
    """

    @translated
    def prepare(self) -> str:
        """Make indexes and collections where missing; returns the server's version.

        Partial indexes hold only what waits, so they stay small while what is done grows.
        """
        version = str(self._client.server_info()["version"])
        self._scans.create_index(
            [("report_generated", 1), ("received_at", 1)],
            name=WAITING,
            partialFilterExpression={"report_generated": ReportGenerated.TO_DO},
        )
        self._scans.create_index(
            [("lease_until", 1)],
            name="in_progress",
            partialFilterExpression={"report_generated": ReportGenerated.IN_PROGRESS},
        )
        self._scans.create_index(
            [("report_generated", 1), ("_id", 1)],
            name="set_aside",
            partialFilterExpression={"report_generated": ReportGenerated.ERROR},
        )
        self._history.create_index([("scan_id", 1)], name="scan_id")
        self._pictures.create_index([("scan_id", 1)], name="scan_id")
        self._scans.create_index([("revision", 1)], name="revision", sparse=True)
        self._scans.create_index([("blob", 1)], name="blob", sparse=True)  # for sweeps
        self._reports.create_index(
            [("pacs", 1), ("next_try_at", 1), ("created_at", 1)],
            name="to_send",
            partialFilterExpression={"status": False},
        )
        self._prepare_chunks()
        self._prepare_audit()
        self._wake_ups.prepare()
        return version
