"""``DBManager``: the store. It holds one part for each group of operations.

The state transitions are those of ``common.domain.states.TRANSITIONS``, each atomic for a scan and
filtered by state, owner and fence. Everything that a unit acknowledges was written with write
concern majority, journaled. Blocking and thread-safe; Fr-HUB calls it from worker threads.

Claims and the leases of reports need no durability and are written with ``w: 1``. A fail-over may
lose one; then it is made again, and the owner in each filter keeps the lost claim from finishing
anything.
"""

import copy
from typing import Self

from common.store.analyzer_list import AnalyzerList
from common.store.audit_archive import AuditArchive
from common.store.audit_exports import AuditExports
from common.store.audit_log import AuditLog
from common.store.audit_search import AuditSearch
from common.store.capacity import Capacity
from common.store.claims import Claims
from common.store.connection import Connection
from common.store.earlier_scans import EarlierScans
from common.store.erasure import Erasure
from common.store.error_mapping import translated
from common.store.failed_scans import FailedScans
from common.store.failure_causes import FailureCauses
from common.store.label_check import LabelCheck
from common.store.labels import CurrentLabels, LabelReader, LabelWriter
from common.store.measurements import Measurements
from common.store.notices import Notices
from common.store.open_chains import OpenChains
from common.store.orphan_chunks import OrphanChunks
from common.store.orphan_labels import OrphanLabels
from common.store.outbox import Outbox
from common.store.patient_scans import PatientScans
from common.store.patients import Patients
from common.store.pictures import Pictures
from common.store.priorities import Priorities
from common.store.queries import Queries
from common.store.reconciliation import Reconciliation
from common.store.recording import UNRECORDED, Recorder
from common.store.report_reader import CurrentReports, ReportReader
from common.store.report_requests import ReportRequests
from common.store.reports import Reports
from common.store.requests import Requests
from common.store.retention import Retention
from common.store.revisions import Revisions
from common.store.scan_counts import ScanCounts
from common.store.scan_history import ScanHistory
from common.store.scan_list import ScanList
from common.store.scan_pages import ScanPages
from common.store.scan_states import ScanStates
from common.store.scans import Scans
from common.store.schema_check import SchemaCheck
from common.store.sending_back import SendingBack
from common.store.server_status import Server
from common.store.sessions import Sessions
from common.store.study_members import StudyMembers
from common.store.study_pairs import StudyPairs
from common.store.study_scans import StudyScans
from common.store.successors import Successors
from common.store.supervision import Supervision
from common.store.tokens import Tokens
from common.store.undeliverable import UndeliverableReports
from common.store.undelivered_count import UndeliveredCount
from common.store.units import Units
from common.store.uploads import Uploads
from common.store.users import Users
from common.store.voxel_check import VoxelCheck
from common.store.voxel_reader import VoxelReader


class DBManager:
    """The store: one connection, and the parts that use it.

    Args:
        uri: URI of a standalone server, a replica set or a sharded cluster.
        database: name of the database.
        timeout_s: the longest a call may take, including server selection and retries, seconds.
        is_embedded: this process's user administers the server, so units migrate the database.

    Raises (all methods of all parts):
        StoreUnavailable: MongoDB is unreachable or has no majority. The call may or may not have
            taken effect; repeat it.
        StoreRefused: MongoDB refuses the login or the command.
        StoreError: any other error of MongoDB.
    """

    def __init__(
        self, uri: str, database: str, timeout_s: float = 10.0, *, is_embedded: bool = False
    ) -> None:
        self.connection = connection = Connection(uri, database, timeout_s)
        self.is_embedded = is_embedded
        self.server = Server(connection)
        self.schema = SchemaCheck(connection)
        self.voxels = VoxelCheck(connection)
        self.orphan_chunks = OrphanChunks(connection)
        self.capacity = Capacity(connection)
        self._reports = Reports(connection, LabelWriter(connection))
        self.labels = LabelReader(connection)
        self.label_check = LabelCheck(connection)
        self.orphan_labels = OrphanLabels(connection)
        self.pictures = Pictures(connection)
        self.queries = Queries(connection)
        self.scan_list = ScanList(connection)
        self.scan_pages = ScanPages(connection)
        self.scan_counts = ScanCounts(connection, self.scan_pages)
        self.voxel_reader = VoxelReader(connection)
        self.report_reader = ReportReader(connection, self.pictures)
        self.analyzer_list = AnalyzerList(connection)
        self.failure_causes = FailureCauses(connection)
        self.undelivered_count = UndeliveredCount(connection)
        self.scan_history = ScanHistory(connection)
        self.patients = Patients(connection)
        self.measurements = Measurements(connection)
        reports, labels = CurrentReports(connection), CurrentLabels(connection)
        self.earlier_scans = EarlierScans(connection, reports, labels)
        self._members = StudyMembers(connection)
        self.study_scans = StudyScans(connection, reports, labels, self._members)
        self.patient_scans = PatientScans(connection)
        self.units = Units(connection)
        self.scan_states = ScanStates(connection)
        self.audit_log = AuditLog(connection, OpenChains(connection))
        self.audit_exports = AuditExports(connection, self.audit_log)
        self.audit_search = AuditSearch(connection)
        self.audit_archive = AuditArchive(connection, self.audit_log)
        self._record_with(UNRECORDED)

    def recorded_by(self, recorder: Recorder) -> Self:
        """This store on the same connection; ``recorder`` records each promise first."""
        recorded = copy.copy(self)
        recorded._record_with(recorder)  # noqa: SLF001 - a copy of this object
        return recorded

    def _record_with(self, recorder: Recorder) -> None:
        connection = self.connection
        sending_back = SendingBack(connection, recorder)
        self.study_pairs = pairs = StudyPairs(self._members, sending_back)
        self.successors = successors = Successors(connection, sending_back)
        self.reconciliation = reconciliation = Reconciliation(
            connection, pairs, successors, recorder
        )
        self.uploads = Uploads(connection, recorder)
        self.scans = Scans(connection, self.uploads, recorder)
        self.revisions = Revisions(connection, recorder)
        self.claims = Claims(connection, reconciliation, self._reports, pairs, successors, recorder)
        self.supervision = Supervision(connection, reconciliation, recorder)
        self.notices = Notices(connection, recorder)
        self.report_requests = ReportRequests(connection, recorder)
        self.undeliverable = UndeliverableReports(connection, recorder)
        self.outbox = Outbox(connection, reconciliation, self.undeliverable, recorder)
        self.users = Users(connection)
        self.tokens = Tokens(connection, self.users)
        self.requests = Requests(connection)
        self.priorities = Priorities(connection, recorder)
        self.sessions = Sessions(connection, self.users)
        self.failed_scans = FailedScans(connection, reconciliation, recorder)
        self.retention = Retention(connection, recorder)
        self.erasure = Erasure(connection, recorder)

    def close(self) -> None:
        """Close the connections. Idempotent."""
        self.connection.close()

    @translated
    def check_schema(self) -> str:
        """Check that this release can work with the database; returns the server's version.

        Raises:
            SchemaNewer: a newer release migrated the database.
            SchemaOlder: it must be migrated first.
        """
        version = str(self.connection.client.server_info()["version"])
        self.schema.require()
        return version
