"""Names the account in the documents of ECGs that users sent before the lists of accounts had an
index: it is found by this field.

Once the index is there, whoever stores an ECG names its account, so the step is done before the
index is created, and looks at no document afterwards.
"""

from common.domain.account import ACCOUNT_DIGITS
from common.domain.tenant import ecgs_source
from common.domain.types import Document
from common.store.collections import Collection
from common.store.migrations.step import Step, Work
from common.store.schema import ACCOUNT

NAME = "accounts"

_UNNAMED: Document = {
    "scan.pacs": {"$regex": f"^{ecgs_source('')}"},
    "account": {"$exists": False},
}


def pending(work: Work) -> int:
    """Number of ECGs to name the account of."""
    indexes = work.database[Collection.SCANS].list_indexes()
    if any(index["name"] == ACCOUNT for index in indexes):
        return 0
    return work.database[Collection.SCANS].count_documents(_UNNAMED)


def name_accounts(work: Work) -> None:
    """Take the account from the beginning of each id; in one command."""
    if not pending(work):
        return
    account = {"account": {"$substrBytes": ["$_id", 0, ACCOUNT_DIGITS]}}
    updated = work.database[Collection.SCANS].update_many(_UNNAMED, [{"$set": account}])
    work.went_on(NAME, updated.modified_count, updated.modified_count)


ACCOUNTS = Step(NAME, "name the account of each ECG of a user", pending, name_accounts)
