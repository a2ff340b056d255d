"""What the queries of the steady state read in a store with a long history and a long backlog."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import Any

import pytest
from bson import ObjectId

from common.domain.account import account_key
from common.domain.tenant import tenants_of
from common.domain.types import utc_now
from common.store.claim_documents import claim_from
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.documents import Claim, NewScan, report_document, scan_document
from common.store.measurements import MeasurementsWanted
from common.store.open_chains import OpenChains
from common.store.patients import PatientOrder, Search
from common.store.pseudonym_claims import PseudonymClaims
from common.store.scan_list import Wanted
from common.store.scan_pages import Asked
from tests.factories import inside, make_report, make_scan, opened
from tests.mongo import drop
from tests.profiling import examined

Documents = list[dict[str, Any]]

DONE, WAITING, FAILED, HELD, UNSENT = 20_000, 5000, 5000, 1000, 5000
UPLOADS, INTERRUPTED, BLOBS, CHAINS = 2000, 20, 2000, 5000
DELAYED, ERASED = 2000, 5000
PATIENTS, MEASURED = 3000, 3000
ECGS = 60
FEW = 40
"""Documents or keys that a query may read to return a handful."""

NOW = utc_now()
OLD = NOW - timedelta(days=100)
LATER = NOW + timedelta(days=1)
SOON = NOW + timedelta(minutes=30)
"""When a report or a notice that is under way is due again; ``LATER`` is further ahead than any."""
OWNER, FENCE = "worker-1", 3
TENANT = tenants_of({})["default"]
OF_ACCOUNTS, ACCOUNT = TENANT.of_accounts(), "a" * 20
SUBJECT = "sub-01"
"""Of three scans."""
OF_SUBJECT = "done-9@pacs-1"
"""One of them."""


@dataclass(frozen=True)
class Cost:
    """A call of the steady state, and the most documents and keys that it may read.

    A page that is read in order examines one document more than it returns.
    """

    call: Callable[[DBManager], object]
    documents: int = FEW
    keys: int = FEW
    finds: int | None = None
    """How many it returns at least: those that were planted for it."""


@pytest.fixture(scope="module")
def large(mongodb_uri: str) -> Iterator[DBManager]:
    """A store with about 70,000 documents, inserted as they are."""
    name = f"test_costs_{ObjectId()}"
    with opened(mongodb_uri, name) as store:
        for collection, documents in prepared().items():
            inside(store, collection).insert_many(documents, ordered=False)
        yield store
    drop(mongodb_uri, name)


def prepared() -> dict[Collection, Documents]:
    return {
        Collection.SCANS: [*done(), *waiting(), *failed(), *untold(), *held(), *erased(), *ecgs()],
        Collection.REPORTS: [*sent(), *unsent(), *delayed()],
        Collection.UPLOADS: [
            *({"_id": ObjectId(), "started_at": NOW, "sealed": True} for _ in range(UPLOADS)),
            *({"_id": ObjectId(), "started_at": OLD} for _ in range(INTERRUPTED)),
        ],
        Collection.CHUNKS: [
            {"_id": {"blob": ObjectId.from_datetime(OLD + timedelta(seconds=n)), "n": m}}
            for n in range(BLOBS)
            for m in range(3)
        ],
        Collection.AUDIT_OPEN: [
            {"_id": f"writer-{n}", "announced_at": NOW, "checked_at": OLD + timedelta(seconds=n)}
            for n in range(CHAINS)
        ],
        Collection.PATIENTS: list(patients()),
        Collection.MEASUREMENTS: list(measurements()),
    }


def scans(name: str, count: int, **fields: Any) -> Iterator[dict[str, Any]]:
    """Documents of scans that differ in their ids."""
    scan, voxels = make_scan(scan_id=name)
    whole = scan_document(NewScan(scan, voxels), OLD)
    for n in range(count):
        yield {
            **whole,
            **fields,
            "_id": f"{name}-{n}@pacs-1",
            "scan": {**whole["scan"], "scan_id": f"{name}-{n}"},
            "turn_at": OLD + timedelta(seconds=n),
        }


def done() -> Iterator[dict[str, Any]]:
    found = scans("done", DONE, report_generated="Done", owner="old", fence=1, attempts=1)
    for n, document in enumerate(found):
        header = document["scan"]
        yield {**document, "scan": {**header, "subject": SUBJECT} if n % 7000 == 9 else header}


def waiting() -> Iterator[dict[str, Any]]:
    return scans("waiting", WAITING)


def failed() -> Iterator[dict[str, Any]]:
    found = scans("failed", FAILED, report_generated="Error", attempts=5, owner="old", fence=5)
    for n, document in enumerate(found):
        at = OLD + timedelta(seconds=n)
        due = OLD if n < 3 else SOON
        yield {
            **document,
            "error": {"cause": "damaged", "at": at, "worker": "old"},
            "notice": {"due_at": due, "tries": 1},
        }


def untold() -> Iterator[dict[str, Any]]:
    """None is due, but the times of three are too far ahead."""
    for n, document in enumerate(scans("untold", DELAYED, report_generated="Error")):
        yield {
            **document,
            "scan": {**document["scan"], "pacs": "pacs-3"},
            "notice": {"due_at": LATER if n < 3 else SOON, "tries": 1},
        }


def erased() -> Iterator[dict[str, Any]]:
    for n in range(ERASED):
        yield {
            "_id": f"erased-{n}@pacs-1",
            "report_generated": "Erased",
            "fence": 1,
            "erased_at": NOW if n < 3 else OLD,
        }


def ecgs() -> Iterator[dict[str, Any]]:
    """Of accounts; not all are of the one that is asked for."""
    for n, document in enumerate(scans("ecg", ECGS, report_generated="Done")):
        account = ACCOUNT if n % 3 else f"{n % 7}" * 20
        key = account_key("default", account, f"{n:08x}")
        header = {**document["scan"], "pacs": OF_ACCOUNTS.uploads}
        yield {**document, "_id": key, "account": account, "scan": header}


def held() -> Iterator[dict[str, Any]]:
    fields = {"report_generated": "In Progress", "owner": OWNER, "fence": FENCE, "attempts": 1}
    for n, document in enumerate(scans("held", HELD, **fields)):
        yield {**document, "lease_until": OLD if n < 3 else LATER}


def reports(name: str, count: int, pacs: str = "pacs-1") -> Iterator[dict[str, Any]]:
    scan, _ = make_scan(scan_id=name, pacs=pacs)
    whole = report_document(make_report(scan))
    for n in range(count):
        about = {**whole["report"], "scan_id": f"{name}-{n}"}
        yield {**whole, "_id": f"{name}-{n}@{pacs}", "report": about}


def sent() -> Iterator[dict[str, Any]]:
    """A quarter have no voxels any more, and a quarter were delivered just now."""
    for n, document in enumerate(reports("done", DONE)):
        at = NOW if n % 4 == 0 else OLD + timedelta(seconds=n)
        gone = {"voxels_gone": True} if n % 4 == 1 else {}
        yield {**document, "status": True, "tries": 1, "sent_at": at, **gone}


def unsent() -> Iterator[dict[str, Any]]:
    for n, document in enumerate(reports("unsent", UNSENT)):
        yield {**document, "next_try_at": OLD if n < 3 else SOON}


def delayed() -> Iterator[dict[str, Any]]:
    """None is due, but the times of three are too far ahead."""
    for n, document in enumerate(reports("delayed", DELAYED, pacs="pacs-3")):
        yield {**document, "next_try_at": LATER if n < 3 else SOON}


def patients() -> Iterator[dict[str, Any]]:
    """Some of each tenant; the names of few begin with the same letters."""
    for n in range(PATIENTS):
        name = f"{n:05} lovelace"
        yield {
            "_id": f"patient-{n}",
            "tenant": f"tenant-{n % 2}",
            "name": name,
            "name_key": name,
            "words": name.split(),
            "pseudonyms": [f"sub-{n}"],
            "identifiers": [{"system": None, "value": f"N-{n}"}],
            "created_at": OLD + timedelta(seconds=n),
        }


def measurements() -> Iterator[dict[str, Any]]:
    """Of one patient, and a few of another."""
    for n in range(MEASURED):
        yield {
            "_id": f"measurement-{n}",
            "tenant": "tenant-0",
            "patient": "patient-2" if n % 300 == 9 else "patient-0",
            "kind": "spo2",
            "code": {"system": None, "code": None, "display": "d"},
            "series": ["kind spo2", "s|rare" if n % 300 == 9 else "s|usual"],
            "parts": [
                {"code": "s|rare" if n % 300 == 9 else "s|usual", "value": 97.0, "unit": "%"}
            ],
            "taken_at": OLD + timedelta(seconds=n),
            "note": None,
            "created_at": OLD,
            "request": "",
        }


def patients_of(order: PatientOrder, **options: Any) -> Callable[[DBManager], object]:
    return lambda store: store.patients.page("tenant-0", order, 10, **options)


def measured(*wanted: Any, **options: Any) -> Callable[[DBManager], object]:
    return lambda store: store.measurements.page(
        "tenant-0", MeasurementsWanted(*wanted), 10, **options
    )


def claims(store: DBManager, count: int = 4) -> list[Claim]:
    """Claims that hold."""
    found = inside(store).find({"_id": {"$in": [f"held-{n}@pacs-1" for n in range(9, 9 + count)]}})
    before = ({**document, "fence": FENCE - 1, "attempts": 0} for document in found)
    return [claim_from(document, OWNER) for document in before]


def completed(store: DBManager) -> object:
    return store.claims.complete([(claim, make_report(claim.scan)) for claim in claims(store)])


def pages(count: int, **options: Any) -> Callable[[DBManager], object]:
    return lambda store: list(islice(store.retention.due(30, **options), count))


def listed(**wanted: Any) -> Callable[[DBManager], object]:
    return lambda store: list(store.scan_list.scans(Wanted(**wanted)))


def page(**asked: Any) -> Callable[[DBManager], object]:
    return lambda store: store.scan_pages.page(Asked(TENANT, **asked), 20).scans


PAGE = 500
OURS = tenants_of({})["default"]
COSTS = {
    "claim": Cost(lambda store: store.claims.claim("other", 4, 60)),
    "claim by type": Cost(lambda store: store.claims.claim("other", 4, 60, types=["grid"])),
    "claim of another type": Cost(
        lambda store: store.claims.claim("other", 4, 60, types=["volume"]), 1
    ),
    "claim what expired": Cost(lambda store: store.claims.claim_expired("other", 60)),
    "renew": Cost(lambda store: store.claims.renew(claims(store), 60)),
    "complete": Cost(completed),
    "count": Cost(lambda store: store.capacity.count_to_do(100), 0, 101),
    "count by Fr-PACS": Cost(lambda store: store.capacity.count_to_do_by_pacs(100), 0, 110),
    "count by type": Cost(lambda store: store.capacity.count_to_do_by_type(100), 0, 110),
    # It reads the claims that expired long ago, twice: the feed tells which are waiting again.
    "fail what is damaged": Cost(lambda store: store.supervision.fail_damaged(), 6),
    "count reanalyses": Cost(lambda store: store.capacity.count_reanalyses(100), 0, 1),
    "lease reports": Cost(lambda store: store.outbox.lease("pacs-1", 10, 60), finds=3),
    "lease reports of which none is due": Cost(
        lambda store: store.outbox.lease("pacs-3", 10, 60), finds=3
    ),
    "lease no report": Cost(lambda store: store.outbox.lease("pacs-2", 10, 60), 0),
    "lease notices": Cost(lambda store: store.notices.lease("pacs-1", 10, 60), finds=3),
    "lease notices of which none is due": Cost(
        lambda store: store.notices.lease("pacs-3", 10, 60), finds=3
    ),
    "lease no notice": Cost(lambda store: store.notices.lease("pacs-2", 10, 60), 0),
    "mark reports as sent": Cost(lambda store: store.outbox.mark_sent(["unsent-9@pacs-1"])),
    "mark notices as sent": Cost(lambda store: store.notices.mark_sent(["failed-9@pacs-1"])),
    "reports of unknown Fr-PACS": Cost(lambda store: store.outbox.orphans(["pacs-1", "pacs-3"])),
    "reconcile": Cost(lambda store: store.reconciliation.reconcile(["failed-7@pacs-1"])),
    # The rest is of Fr-HUB's housekeeping, every ten minutes or less often.
    "reconcile what failed": Cost(
        lambda store: store.reconciliation.reconcile_failed(), FEW, 2 * FAILED + FEW
    ),
    "scans of a study": Cost(lambda store: store.study_pairs.send_back({"0" * 16}), 0, 1),
    "scans of a subject": Cost(lambda store: store.successors.send_back({OF_SUBJECT}), 10, 20),
    "the previous scan of a subject": Cost(
        lambda store: store.earlier_scans.latest_before(
            make_scan(subject=SUBJECT)[0], lambda _: False
        ),
        10,
        20,
    ),
    "sweep uploads": Cost(lambda store: store.uploads.sweep(), 3 * UPLOADS + 300, 300),
    "sweep chunks": Cost(lambda store: store.orphan_chunks.mark(limit=100), 100, 500),
    "sweep erased": Cost(lambda store: store.erasure.sweep()),
    "erased lately": Cost(lambda store: store.erasure._recent(None), finds=3),
    "erased later": Cost(
        lambda store: store.erasure._recent({"_id": "erased-1@pacs-1", "erased_at": NOW}), finds=1
    ),
    "retention of voxels": Cost(pages(2, include_report=False), 4 * PAGE + FEW, 6 * PAGE + FEW),
    "retention of all": Cost(pages(2, include_report=True), 4 * PAGE + FEW, 6 * PAGE + FEW),
    "retention of what failed": Cost(
        pages(2, include_report=True, failed=True), 4 * PAGE + FEW, 6 * PAGE + FEW
    ),
    "failed scans": Cost(
        lambda store: list(islice(store.failed_scans.all(), 1000)), 1000, 1000 + FEW
    ),
    "list the newest": Cost(listed(limit=20), 400, 500, finds=20),
    "list what is older": Cost(listed(states=("Done",), limit=2000), 4100, 4100, finds=2000),
    "list by state": Cost(listed(states=("Error",), limit=20), 120, 80, finds=20),
    "list by Fr-PACS": Cost(listed(pacs="pacs-3", limit=20), 120, 100, finds=20),
    "list since": Cost(listed(since=NOW - timedelta(minutes=1), limit=20), 200, 200),
    "list by subject": Cost(listed(subject=SUBJECT, limit=20), finds=3),
    "list nobody's": Cost(listed(subject="sub-99", limit=20), 0, 5),
    "page of scans": Cost(page(), 42, 250, finds=20),
    "page of failed scans": Cost(page(states=("Error",), pacs=("pacs-1",)), 42, 60, finds=20),
    "page since": Cost(page(since=NOW - timedelta(minutes=1)), 0, 60),
    "page of a subject": Cost(page(subjects=(SUBJECT,)), 10, 20, finds=3),
    "page of an account": Cost(
        lambda store: store.scan_pages.page(Asked(OF_ACCOUNTS, account=ACCOUNT), 20).scans,
        40,
        60,
        finds=20,
    ),
    "page by text": Cost(page(text="done-77"), 42 + 500, 42 + 500, finds=20),
    "list patients by name": Cost(patients_of(PatientOrder.NAME), finds=10),
    "list patients by name further on": Cost(
        patients_of(PatientOrder.NAME, after=("02000 lovelace", "patient-2000")), finds=10
    ),
    "list patients by creation, the newest first": Cost(
        patients_of(
            PatientOrder.CREATED,
            after=(OLD + timedelta(seconds=900), "patient-900"),
            descending=True,
        ),
        finds=10,
    ),
    "find a patient by name": Cost(
        patients_of(PatientOrder.NAME, search=Search(name="0123")), finds=5
    ),
    "find a patient by identifier": Cost(
        patients_of(PatientOrder.NAME, search=Search(identifier="N-4")), finds=1
    ),
    "find a patient by pseudonym": Cost(
        patients_of(PatientOrder.CREATED, search=Search(pseudonym="sub-4")), finds=1
    ),
    "whether a pseudonym is in use": Cost(
        lambda store: PseudonymClaims(store.connection).is_taken(
            "tenant-0", "patient-0", ["sub-4", "sub-9"]
        )
    ),
    "erasures of patients to complete": Cost(lambda store: store.patients.erasures(), 0, 1),
    "list all measurements": Cost(measured(), finds=10),
    "list all measurements further on": Cost(
        measured(after=(OLD + timedelta(seconds=900), "measurement-900")), finds=10
    ),
    "list measurements of a patient": Cost(measured("patient-2", descending=False), finds=10),
    "list measurements of a code": Cost(measured(None, "s|rare"), finds=10),
    "list measurements of a patient and code": Cost(measured("patient-2", "s|rare"), finds=10),
    "list measurements of a time": Cost(
        measured(None, None, OLD + timedelta(seconds=5), OLD + timedelta(seconds=9)), finds=4
    ),
    "trend": Cost(
        lambda store: store.measurements.trend(
            "tenant-0", MeasurementsWanted("patient-2", "s|rare"), "s|rare", 5
        ),
        finds=1,
    ),
    "scans of a patient": Cost(
        lambda store: store.patient_scans.page(OURS, [SUBJECT, "sub-02"], 10), finds=3
    ),
    "keys of the scans of a patient": Cost(
        lambda store: store.patient_scans.keys(OURS, [SUBJECT, "sub-02"]), finds=3
    ),
    "anchoring": Cost(lambda store: OpenChains(store.connection).others("writer-1", 10)),
}


@pytest.mark.parametrize("name", COSTS)
def test_the_cost_of_a_query_does_not_grow_with_the_store(large: DBManager, name: str) -> None:
    cost = COSTS[name]
    with examined(large, *Collection) as read:
        found = cost.call(large)
    if cost.finds is not None:
        assert isinstance(found, list)
        assert len(found) >= cost.finds
    assert read.commands
    assert read.documents <= cost.documents
    assert read.keys <= cost.keys
    if name != "sweep uploads":  # which holds the uploads of an hour
        assert not any("COLLSCAN" in plan for plan in read.plans)
