"""What the API shows of a scan."""

from starlette.requests import Request

from common.domain.tenant import tenants_of
from common.domain.user import Principal
from common.store.db_manager import DBManager
from fr_hub.web.context import WebContext
from fr_hub.web.scan_models import ScanDetails, ScanSummary, asked_of
from tests.factories import make_claimable, make_failed

HERE = tenants_of({})["default"]


def test_the_filter_names_states_as_people_do(context: WebContext) -> None:
    nobody = Principal("ada", "default", frozenset())
    request = Request({"type": "http"})
    asked = asked_of(
        request, nobody, HERE, context, state=["waiting", "failed"], pacs=["a"], subject=["sub-1"]
    )
    assert asked.states == ("To Do", "Error")
    assert (asked.pacs, asked.subjects) == (("a",), ("sub-1",))
    assert asked_of(request, nobody, HERE, context).subjects is None


def test_a_tombstone_has_no_voxels_and_no_header(store: DBManager) -> None:
    [failed] = make_failed(store, 1, pacs="pacs-2")
    [scan] = make_claimable(store, 1)
    store.erasure.erase([failed])
    waiting, erased = store.scan_pages.these(HERE, [scan.key, failed])
    assert ScanDetails.with_history(waiting, []).has_voxels
    shown = ScanDetails.with_history(erased, [])
    assert (shown.state, shown.pacs, shown.has_voxels) == ("erased", "pacs-2", False)
    assert shown.shape is None
    assert ScanSummary.of(waiting).shape == (10, 10)
