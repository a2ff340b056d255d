"""Something for each part of the page to show: synthetic heads and ECGs that all units have
analysed, failed and waiting scans, a patient with measurements, and users."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from playwright.sync_api import Page

from common.domain.scan import Priority
from common.domain.states import ReportGenerated
from common.domain.types import utc_now
from common.domain.user import Role
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.store.documents import NewScan
from tests.factories import edit, inside, make_failed, make_scan
from tests.page.acts import add_user, post
from tests.page.browser import database_of
from tests.processes import ports, start

HEADS = {"KIND": "phantom", "SCANS": "8", "SHAPE": "128", "CONTRAST": "flair", "SEED": "48"}
ECGS = {"KIND": "ecg", "SCANS": "2", "SEED": "3"}
SUBJECT = "sub-7f3a91c2"
_WITHIN_S = 900


@dataclass(frozen=True)
class Shown:
    """The keys and ids of the items that have addresses of their own."""

    head: str
    """With the most lesions."""
    earlier: str
    """Another head of the same subject."""
    ecg: str
    failed: str
    patient: str


def analysed(store: DBManager, folder: Path) -> None:
    """Send heads and ECGs through all units."""
    for kind in (HEADS, ECGS):
        log = folder / f"{kind['KIND']}.log"
        given = {**kind, **ports(), **database_of(store), "DATA_DIR": str(folder / "data")}
        units = start("common.launcher.launcher", log, **given, BRAIN_PICTURES="1", WEB="0")
        assert units.wait(_WITHIN_S) == 0, log.read_text()


def planted(store: DBManager, page: Page) -> Shown:
    """Add what the units leave out, on the page of an administrator."""
    head, earlier = _heads(store)
    for key in (head, earlier):
        edit(store, key, **{"scan.subject": SUBJECT})
    [ecg] = inside(store).find({"scan.scan_type": "ecg"}, {"_id": 1}).limit(1)
    [*_, failed] = make_failed(store, 2, "the image has no affine: export it again with one")
    make_failed(store, 1, "no brain found: is this a head?")
    for priority in (Priority.STAT, Priority.ROUTINE):
        store.scans.add([NewScan(*make_scan(priority=priority))])
    add_user(store, "grace", Role.READER)
    add_user(store, "ada", Role.CLINICIAN, Role.OPERATOR)
    return Shown(head, earlier, ecg["_id"], failed, _patient(page))


def _heads(store: DBManager) -> tuple[str, str]:
    """The two heads with the most lesions."""
    heads = [d["_id"] for d in inside(store).find({"scan.scan_type": "volume"}, {"_id": 1})]
    done = {"_id": {"$in": heads}}
    found = inside(store, Collection.REPORTS).find(done).sort("report.findings.lesions.count", -1)
    head, earlier, *_ = (document["_id"] for document in found)
    assert {s for s, in_state in store.queries.count_states().items() if in_state} == {
        ReportGenerated.DONE
    }
    return head, earlier


def _patient(page: Page) -> str:
    """A patient with a month of measurements; two more without."""
    post(page, "/patients", name="Grete Hermann", birth_date="1961-03-02")
    post(page, "/patients", name="Alonzo Moreno", age=47, conditions=["migraine"])
    about = {"birth_date": "1972-12-10", "sex": "female", "conditions": ["multiple sclerosis"]}
    made = post(page, "/patients", name="Ada Example", pseudonyms=[SUBJECT], **about)
    for day in range(30):
        at = (utc_now() - timedelta(days=30 - day)).isoformat()
        systolic, diastolic = 131 - day % 7 - day // 3, 85 - day % 5 - day // 6
        parts = [
            {"code": "systolic", "value": systolic, "unit": "mm[Hg]"},
            {"code": "diastolic", "value": diastolic, "unit": "mm[Hg]"},
        ]
        path = f"/patients/{made['id']}/measurements"
        post(page, path, kind="blood_pressure", taken_at=at, components=parts)
        post(page, path, kind="heart_rate", value=68 + day % 9, unit="/min", taken_at=at)
    post(page, path, kind="temperature", value=36.8, unit="Cel", taken_at=at)
    return str(made["id"])
