"""The parts of the store that each unit is handed: those that its MongoDB user has the rights for.

``tests/common/store/test_unit_parts.py`` holds these lists and ``common.store.roles`` together.
"""

from collections.abc import Callable
from dataclasses import dataclass

from common.store.analyzer_list import AnalyzerList
from common.store.audit_exports import AuditExports
from common.store.audit_log import AuditLog
from common.store.audit_search import AuditSearch
from common.store.capacity import Capacity
from common.store.claims import Claims
from common.store.collections import Notification
from common.store.db_manager import DBManager
from common.store.earlier_scans import EarlierScans
from common.store.erasure import Erasure
from common.store.failed_scans import FailedScans
from common.store.failure_causes import FailureCauses
from common.store.feed_tail import FeedTail
from common.store.labels import LabelReader
from common.store.measurements import Measurements
from common.store.notices import Notices
from common.store.notifications import Subscription
from common.store.orphan_chunks import OrphanChunks
from common.store.orphan_labels import OrphanLabels
from common.store.outbox import Outbox
from common.store.patient_scans import PatientScans
from common.store.patients import Patients
from common.store.pictures import PictureReader, PictureWriter
from common.store.priorities import Priorities
from common.store.reconciliation import Reconciliation
from common.store.report_reader import ReportReader
from common.store.report_requests import ReportRequests
from common.store.requests import Requests
from common.store.retention import Retention
from common.store.revisions import Revisions
from common.store.scan_counts import ScanCounts
from common.store.scan_history import ScanHistory
from common.store.scan_pages import ScanPages
from common.store.scan_states import ScanStates
from common.store.scans import Scans
from common.store.server_status import Server
from common.store.sessions import Sessions
from common.store.study_scans import StudyScans
from common.store.supervision import Supervision
from common.store.tokens import Tokens
from common.store.undeliverable import UndeliverableReports
from common.store.undelivered_count import UndeliveredCount
from common.store.units import Units
from common.store.uploads import Uploads
from common.store.users import Users
from common.store.voxel_reader import VoxelReader


@dataclass(frozen=True, slots=True)
class HubStore:
    """The store as Fr-HUB sees it: it receives scans, delivers reports, and keeps order."""

    scans: Scans
    uploads: Uploads
    orphan_chunks: OrphanChunks
    orphan_labels: OrphanLabels
    outbox: Outbox
    undeliverable: UndeliverableReports
    notices: Notices
    report_requests: ReportRequests
    pictures: PictureReader
    labels: LabelReader
    reconciliation: Reconciliation
    retention: Retention
    erasure: Erasure
    capacity: Capacity
    server: Server
    audit_log: AuditLog
    audit_exports: AuditExports
    subscribe: Callable[[Notification, float], Subscription]
    """Subscribes to notifications; see ``Connection.subscribe``."""


@dataclass(frozen=True, slots=True)
class BrainStore:
    """The store as Fr-BRAIN sees it: it claims scans and writes reports and pictures."""

    claims: Claims
    earlier_scans: EarlierScans
    study_scans: StudyScans
    supervision: Supervision
    pictures: PictureWriter
    capacity: Capacity
    audit_log: AuditLog
    subscribe: Callable[[Notification, float], Subscription]
    """Subscribes to notifications; see ``Connection.subscribe``."""


@dataclass(frozen=True, slots=True)
class WebStore:
    """The store as the API sees it: it shows scans and reports, changes what operators ask it to,
    and has users."""

    scan_pages: ScanPages
    scan_counts: ScanCounts
    scan_history: ScanHistory
    voxel_reader: VoxelReader
    report_reader: ReportReader
    labels: LabelReader
    analyzer_list: AnalyzerList
    failure_causes: FailureCauses
    undelivered_count: UndeliveredCount
    failed_scans: FailedScans
    revisions: Revisions
    erasure: Erasure
    priorities: Priorities
    patients: Patients
    measurements: Measurements
    patient_scans: PatientScans
    scans: Scans
    uploads: Uploads
    outbox: Outbox
    capacity: Capacity
    users: Users
    tokens: Tokens
    sessions: Sessions
    requests: Requests
    audit_search: AuditSearch
    server: Server
    audit_log: AuditLog
    units: Units
    scan_states: ScanStates
    subscribe: Callable[[Notification, float], Subscription]
    """Subscribes to notifications; see ``Connection.subscribe``."""
    tail: Callable[[float], FeedTail]
    """Reads the feed; see ``Connection.tail``."""


def web_parts(store: DBManager) -> WebStore:
    """The API's parts of this store."""
    return WebStore(
        scan_pages=store.scan_pages,
        scan_counts=store.scan_counts,
        scan_history=store.scan_history,
        voxel_reader=store.voxel_reader,
        report_reader=store.report_reader,
        labels=store.labels,
        analyzer_list=store.analyzer_list,
        failure_causes=store.failure_causes,
        undelivered_count=store.undelivered_count,
        failed_scans=store.failed_scans,
        revisions=store.revisions,
        erasure=store.erasure,
        priorities=store.priorities,
        patients=store.patients,
        measurements=store.measurements,
        patient_scans=store.patient_scans,
        scans=store.scans,
        uploads=store.uploads,
        outbox=store.outbox,
        capacity=store.capacity,
        users=store.users,
        tokens=store.tokens,
        sessions=store.sessions,
        requests=store.requests,
        audit_search=store.audit_search,
        server=store.server,
        audit_log=store.audit_log,
        units=store.units,
        scan_states=store.scan_states,
        tail=store.connection.tail,
        subscribe=store.connection.subscribe,
    )


def hub_parts(store: DBManager) -> HubStore:
    """Fr-HUB's parts of this store."""
    return HubStore(
        scans=store.scans,
        uploads=store.uploads,
        orphan_chunks=store.orphan_chunks,
        orphan_labels=store.orphan_labels,
        outbox=store.outbox,
        undeliverable=store.undeliverable,
        notices=store.notices,
        report_requests=store.report_requests,
        pictures=PictureReader(store.connection),
        labels=store.labels,
        reconciliation=store.reconciliation,
        retention=store.retention,
        erasure=store.erasure,
        capacity=store.capacity,
        server=store.server,
        audit_log=store.audit_log,
        audit_exports=store.audit_exports,
        subscribe=store.connection.subscribe,
    )


def brain_parts(store: DBManager) -> BrainStore:
    """Fr-BRAIN's parts of this store."""
    return BrainStore(
        claims=store.claims,
        earlier_scans=store.earlier_scans,
        study_scans=store.study_scans,
        supervision=store.supervision,
        pictures=PictureWriter(store.connection),
        capacity=store.capacity,
        audit_log=store.audit_log,
        subscribe=store.connection.subscribe,
    )
