"""The schema of the database, as data: its version, its collections and their indexes.

``fr migrate`` creates what is declared here, the units only compare: their users may create nothing
(``common.store.roles``). To add an index, add a line; it is created by the next ``fr migrate``. A
change of stored documents is a step of ``common.store.migrations`` and a new version.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from common.domain.scan import Priority
from common.domain.states import ERASED, ReportGenerated
from common.domain.types import Document
from common.store.collections import Collection

SCHEMA_VERSION = 3
"""Of the database (``brain_meta``) and of each stored scan and report (``schema``). Databases of
earlier releases have no version and count as 1."""

SCHEMA = "_schema"
"""``_id`` of the version's document in ``brain_meta``."""

OLD_TOMBSTONES = "old_tombstones"
"""Field of the same document: whether there are tombstones from before version 2, which have an id
and no Fr-PACS."""

NOT_NEWER: Document = {"schema": {"$not": {"$gt": SCHEMA_VERSION}}}
"""A filter for documents that this release can read. Those of a newer release are left to it."""

QUEUE = "queue"
QUEUE_KEY = (
    "report_generated",
    "schema",
    "reanalysis",
    "scan.pacs",
    "scan.scan_type",
    "attempts",
    "turn_at",
)
"""Of all waiting scans: see ``common.store.waiting_indexes``. It begins with the state, so counting
reads keys and no documents: 100,000 scans take 0.03 s instead of 0.15 s (MongoDB 6.0.5, 2.8 GHz
core)."""

RETRIED = "retried"
"""Waiting scans that were claimed before, in the order in which their pauses end."""

STAT = "stat_turns"
"""Waiting scans of priority ``stat``, without reanalyses, by Fr-PACS."""

IN_PROGRESS = "in_progress"
"""Claimed scans, in the order in which their leases end."""

LISTED = "listed"
"""All scans, by state and Fr-PACS: see ``common.store.scan_list``."""

SUBJECT = "subject"
"""Scans with a subject, the newest first."""

STUDY = "study"
"""Scans with a study, by it."""

ALSO_SUBJECT = "also_subject"
"""Scans that came again with another subject, by this subject, the newest first."""

ACCOUNT = "account"
"""ECGs that users sent to their own accounts, the newest first."""

ANALYZER = "analyzer"
"""Reports by the analyzer that made them and by Fr-PACS, the newest first."""

NEWEST_FIRST = (("received_at", -1), ("_id", -1))
"""The order of the scans of a subject or an account."""

_TO_DO = {"report_generated": str(ReportGenerated.TO_DO)}

_NOTIFICATIONS_BYTES = 64 * 1024
EVENTS_BYTES = 16 * 1024 * 1024
"""Of the retained events: those of some hours, or of two minutes at 1,000 scans per second."""

_NONE: Mapping[str, Any] = MappingProxyType({})
_UNCOMPRESSED: Mapping[str, Any] = MappingProxyType(
    {"storageEngine": {"wiredTiger": {"configString": "block_compressor=none"}}}
)


@dataclass(frozen=True, slots=True)
class Index:
    """An index. None is unique or expires documents: ``_id`` is the only key."""

    name: str
    keys: tuple[tuple[str, int], ...]
    partial: Mapping[str, Any] = field(default_factory=lambda: _NONE)
    """Filter of the documents that it holds; empty: all."""
    sparse: bool = False

    @property
    def specification(self) -> Document:
        """The index as ``createIndexes`` takes it and ``listIndexes`` returns it."""
        made: Document = {"name": self.name, "key": dict(self.keys)}
        if self.partial:
            made["partialFilterExpression"] = dict(self.partial)
        if self.sparse:
            made["sparse"] = True
        return made


@dataclass(frozen=True, slots=True)
class CollectionSchema:
    """A collection: its indexes besides ``_id``, and the options that it is created with."""

    indexes: tuple[Index, ...] = ()
    options: Mapping[str, Any] = field(default_factory=lambda: _NONE)

    @property
    def is_capped(self) -> bool:
        """Whether old documents make room for new ones."""
        return bool(self.options.get("capped"))


DECLARED: Mapping[Collection, CollectionSchema] = {
    # Partial indexes hold only waiting scans, so they stay small while finished ones grow.
    Collection.SCANS: CollectionSchema(
        (
            Index(QUEUE, tuple((name, 1) for name in QUEUE_KEY), partial=_TO_DO),
            Index(
                RETRIED,
                (
                    ("report_generated", 1),
                    ("schema", 1),
                    ("scan.scan_type", 1),
                    ("not_before", 1),
                ),
                partial={**_TO_DO, "attempts": {"$gt": 0}},
            ),
            Index(
                STAT,
                (
                    ("schema", 1),
                    ("attempts", 1),
                    ("scan.scan_type", 1),
                    ("scan.pacs", 1),
                    ("turn_at", 1),
                ),
                partial={**_TO_DO, "reanalysis": False, "scan.priority": str(Priority.STAT)},
            ),
            Index(
                IN_PROGRESS,
                (("lease_until", 1),),
                partial={"report_generated": str(ReportGenerated.IN_PROGRESS)},
            ),
            Index(
                "set_aside",
                (("report_generated", 1), ("_id", 1)),
                partial={"report_generated": str(ReportGenerated.ERROR)},
            ),
            Index(
                "failed_at",  # retention
                (("error.at", 1), ("_id", 1)),
                partial={"report_generated": str(ReportGenerated.ERROR)},
            ),
            Index(
                "erased",  # lately, for the sweep of late reports
                (("erased_at", 1), ("_id", 1)),
                partial={"report_generated": ERASED},
            ),
            Index("erasing", (("erasing", 1),), sparse=True),
            Index(
                "notices",  # of failed scans, to be sent: see ``common.store.notices``
                (("scan.pacs", 1), ("notice.due_at", 1)),
                partial={"notice.due_at": {"$exists": True}},
            ),
            # Whose image it is. A scan pays only for the identifiers that it has.
            Index(
                SUBJECT,
                (("scan.subject", 1), *NEWEST_FIRST),
                partial={"scan.subject": {"$exists": True}},
            ),
            # Scans that came again under another pseudonym.
            Index(
                ALSO_SUBJECT,
                (("also.subject", 1), *NEWEST_FIRST),
                partial={"also.subject": {"$exists": True}},
            ),
            Index(
                ACCOUNT,
                (("account", 1), *NEWEST_FIRST),
                partial={"account": {"$exists": True}},
            ),
            Index(STUDY, (("scan.study", 1),), sparse=True),
            Index("series", (("scan.series", 1),), sparse=True),
            Index(LISTED, (("report_generated", 1), ("scan.pacs", 1), *NEWEST_FIRST)),
            Index("revision", (("revision", 1),), sparse=True),
            Index("blob", (("blob", 1),), sparse=True),  # used by Uploads.sweep
            # Scans that version 2 renamed: the audit trail names them by their ids.
            Index("renamed", (("renamed", 1), ("_id", 1)), partial={"renamed": True}),
        )
    ),
    Collection.REPORTS: CollectionSchema(
        (
            Index(
                "to_deliver",
                (("pacs", 1), ("next_try_at", 1), ("created_at", 1)),
                partial={"status": False, "undeliverable": None},
            ),
            Index(
                "undeliverable",
                (("status", 1), ("_id", 1)),
                partial={"undeliverable.at": {"$exists": True}},
            ),
            Index(
                ANALYZER,
                (
                    ("report.analyzer.name", 1),
                    ("report.analyzer.version", 1),
                    ("pacs", 1),
                    ("created_at", -1),
                    ("_id", -1),
                ),
            ),
            Index(
                "sent",  # retention
                (("voxels_gone", 1), ("sent_at", 1), ("_id", 1)),
                partial={"status": True},
            ),
        )
    ),
    Collection.HISTORY: CollectionSchema((Index("scan_id", (("scan_id", 1),)),)),
    Collection.PICTURES: CollectionSchema((Index("scan_id", (("scan_id", 1),)),)),
    # Uncompressed: label maps are packed, and senders compress the voxels.
    Collection.LABELS: CollectionSchema((Index("scan_id", (("scan_id", 1),)),), _UNCOMPRESSED),
    Collection.CHUNKS: CollectionSchema(options=_UNCOMPRESSED),
    Collection.UPLOADS: CollectionSchema(),
    Collection.AUDIT: CollectionSchema(
        (
            # The last entry of each chain, without reading the others.
            Index("heads", (("_id.writer", 1), ("_id.seq", -1))),
            # Used by the migration of trails whose open chains were never listed.
            Index("anchored", (("heads.at", 1),), sparse=True),
            # The newest first: see ``common.store.audit_search``.
            Index("written", (("at", -1), ("_id", -1))),
            Index(
                "by_user",
                (("events.by", 1), ("at", -1), ("_id", -1)),
                partial={"events.by": {"$exists": True}},
            ),
            # Costs mongod 2.6 us of a core for each scan that an event names (MongoDB 6.0.5).
            Index(
                "of_scan",
                (("events.ids", 1), ("at", -1), ("_id", -1)),
                partial={"events.ids": {"$exists": True}},
            ),
        )
    ),
    # In the order in which anchoring looks at them.
    Collection.AUDIT_OPEN: CollectionSchema((Index("checked", (("checked_at", 1),)),)),
    Collection.AUDIT_EXPORTS: CollectionSchema(),
    Collection.NOTIFICATIONS: CollectionSchema(
        options={"capped": True, "size": _NOTIFICATIONS_BYTES}
    ),
    Collection.EVENTS: CollectionSchema(options={"capped": True, "size": EVENTS_BYTES}),
    Collection.UNITS: CollectionSchema(),
    Collection.USERS: CollectionSchema((Index("tenant", (("tenant", 1), ("_id", 1))),)),
    Collection.TOKENS: CollectionSchema(
        (Index("user", (("user", 1), ("_id", 1))), Index("expires", (("expires_at", 1),)))
    ),
    Collection.SESSIONS: CollectionSchema(
        (Index("user", (("user", 1),)), Index("expires", (("expires_at", 1),)))
    ),
    Collection.REQUESTS: CollectionSchema((Index("expires", (("expires_at", 1),)),)),
    Collection.PATIENTS: CollectionSchema(
        (
            Index("name", (("tenant", 1), ("name_key", 1), ("_id", 1))),
            Index("created", (("tenant", 1), ("created_at", 1), ("_id", 1))),
            Index("words", (("tenant", 1), ("words", 1))),
            Index("identifier", (("tenant", 1), ("identifiers.value", 1))),
            Index("pseudonym", (("tenant", 1), ("pseudonyms", 1))),
            Index("erasing", (("erasing", 1),), sparse=True),
        )
    ),
    Collection.MEASUREMENTS: CollectionSchema(
        (
            Index("taken", (("tenant", 1), ("taken_at", 1), ("_id", 1))),
            Index("of_patient", (("tenant", 1), ("patient", 1), ("taken_at", 1), ("_id", 1))),
            # By kind and by code: see ``common.domain.measurement``.
            Index("series", (("tenant", 1), ("series", 1), ("taken_at", 1), ("_id", 1))),
            Index(
                "series_of_patient",
                (("tenant", 1), ("patient", 1), ("series", 1), ("taken_at", 1), ("_id", 1)),
            ),
        )
    ),
    Collection.META: CollectionSchema(),
}
"""All collections of the database."""

FORMER_INDEXES: Mapping[Collection, frozenset[str]] = {
    Collection.SCANS: frozenset({"waiting", "stat"}),  # by the hubs' clocks; not by Fr-PACS
    Collection.REPORTS: frozenset({"to_send"}),  # with those that cannot be delivered
}
"""Names of indexes that earlier releases created and this one does not use: ``fr migrate`` drops
them."""
