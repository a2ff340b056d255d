"""A pseudonym belongs to one patient of a tenant.

``_id`` is the only unique index of the store, so whoever wants a pseudonym for a patient stores a
claim first, and then looks whether another patient has or claims it. Of two at once, at least one
sees the other. A claim is a document beside the patients, hidden as those that are being erased;
one that a kill left behind counts for ``CLAIM`` only.
"""

import contextlib
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from bson import ObjectId

from common.domain.types import Document, utc_now
from common.store.connection import Connection

CLAIM = timedelta(minutes=1)
"""How long a claim counts. Who takes longer to make the change does not make it."""

_CLAIM = "claim"
"""In ``erasing`` of a claim."""


class PseudonymInUse(Exception):
    """Another patient of the tenant has one of the pseudonyms."""


class PseudonymClaims:
    """Claims of pseudonyms, while patients are changed."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    @contextlib.contextmanager
    def held(self, tenant: str, patient: str, pseudonyms: Iterable[str]) -> Iterator[None]:
        """While this lasts, no other patient gets one of these pseudonyms.

        Raises:
            PseudonymInUse: another one has or claims one.
        """
        names = sorted(pseudonyms)
        if not names:
            yield
            return
        claim: Document = {"_id": f"{_CLAIM}-{ObjectId()}", "tenant": tenant, "erasing": _CLAIM}
        about = {"of": patient, "pseudonyms": names, "claimed_at": utc_now()}
        self._db.patients.insert_one({**claim, **about})
        try:
            if self.is_taken(tenant, patient, names):
                raise PseudonymInUse
            yield
        finally:
            self._db.patients.delete_one(claim)

    def is_taken(self, tenant: str, patient: str, pseudonyms: Iterable[str]) -> bool:
        """Whether another patient has or claims one of these pseudonyms."""
        names = sorted(pseudonyms)
        if not names:
            return False
        wanted: Document = {"tenant": tenant, "pseudonyms": {"$in": names}}
        others = {**wanted, "_id": {"$ne": patient}, "of": {"$ne": patient}}
        found = list(self._db.patients.find(others, {"erasing": 1, "of": 1, "claimed_at": 1}))
        old = [one for one in found if _is_old_claim(one)]
        for one in old:
            # Who claimed it, and is only slow, finds another version of the patient.
            named = {"_id": one.get("of"), "tenant": tenant, "erasing": {"$exists": False}}
            self._db.patients.update_one(named, {"$inc": {"version": 1}})
            self._db.patients.delete_one({"_id": one["_id"], "erasing": _CLAIM})
        return len(found) > len(old)


def _is_old_claim(one: Document) -> bool:
    if one.get("erasing") != _CLAIM:
        return False
    at = one.get("claimed_at")
    return not isinstance(at, datetime) or utc_now() - at > CLAIM
