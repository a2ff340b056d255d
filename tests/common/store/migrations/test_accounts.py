"""ECGs that users sent before the lists of accounts had an index are listed afterwards."""

import numpy as np

from common.domain.account import account_of, account_scan_id
from common.domain.tenant import tenants_of
from common.domain.types import utc_now
from common.store.db_manager import DBManager
from common.store.documents import NewScan
from common.store.migrations.accounts import NAME
from common.store.migrations.runner import Migrator
from common.store.scan_pages import Asked
from common.store.schema import ACCOUNT
from tests.factories import inside, make_claimable, make_ecg

ACCOUNTS = tenants_of({})["default"].of_accounts()


def test_each_ecg_is_listed_for_its_account(store: DBManager) -> None:
    mine, other = account_of("ada", utc_now()), account_of("eve", utc_now())
    keys = []
    for account in (mine, other):
        scan_id = account_scan_id(account, "ab" * 16)
        scan, voxels = make_ecg(np.ones((4, 1), np.float32), scan_id=scan_id, pacs=ACCOUNTS.uploads)
        store.scans.add([NewScan(scan, voxels)])
        keys.append(scan.key)
    make_claimable(store, 1)
    inside(store).update_many({}, {"$unset": {"account": True}})
    inside(store).drop_index(ACCOUNT)
    with Migrator(store.connection.uri, store.connection.name) as migrator:
        planned = {step.name: step.pending for step in migrator.plan()}
        assert (planned[NAME], planned["indexes"]) == (2, 1)
        assert migrator.apply()
        assert migrator.plan() == []
    for account, key in zip((mine, other), keys, strict=True):
        assert store.scan_pages.keys(Asked(ACCOUNTS, account=account), 10).keys == [key]
    assert inside(store).count_documents({"account": {"$exists": True}}) == 2
