"""The list of scans."""

from common.domain.user import Role
from common.store.db_manager import DBManager
from common.store.documents import NewScan
from tests.factories import make_scan
from tests.fr_hub.web.conftest import NORTH, ClientOf


def test_a_tenant_sees_its_own_scans_alone(store: DBManager, client_of: ClientOf) -> None:
    here, _ = make_scan(pacs="pacs-1")
    there, voxels = make_scan(pacs="mr-1")
    store.scans.add([NewScan(here, voxels), NewScan(there, voxels)])
    for tenant, scan in (("default", here), (NORTH, there)):
        page = client_of(Role.READER, tenant=tenant).get("/api/v1/scans").json()
        assert [one["key"] for one in page["items"]] == [scan.key]
