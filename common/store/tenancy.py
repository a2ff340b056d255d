"""Which scans belong to a tenant, as a condition of a query: what is another's is then not found,
as if it did not exist.

A scan belongs to the tenant of its Fr-PACS, which its key names: tombstones, and scans whose header
is damaged, have it nowhere else.
"""

import re

from common.domain.scan_key import SEPARATOR, pacs_of
from common.domain.tenant import Tenant, uploads_source
from common.domain.types import DEFAULT_TENANT, Document

_UPLOADS = uploads_source(DEFAULT_TENANT)


def owned(tenant: Tenant) -> Document:
    """A condition on the ``_id`` of a scan or report: it is this tenant's."""
    if tenant.pacs is not None:
        return {"$regex": f"^[^@]+{SEPARATOR}(?:{_any_of(tenant.pacs | {tenant.uploads})})$"}
    others = f"|(?:{_any_of(tenant.others)})$" if tenant.others else ""
    return {"$regex": f"^[^@]+{SEPARATOR}(?!{_UPLOADS}-{others})."}


def this_of(tenant: Tenant, key: str) -> Document:
    """A filter for the scan or report of this key, if it is the tenant's."""
    return {"_id": {"$eq": key, **owned(tenant)}}


def these_of(tenant: Tenant, keys: list[str]) -> Document:
    """A filter for those of these scans or reports that are the tenant's."""
    return {"_id": {"$in": keys, **owned(tenant)}}


def is_owned(tenant: Tenant, key: str) -> bool:
    """Whether this key is of a scan of the tenant."""
    pacs = pacs_of(key)
    return pacs is not None and tenant.owns(pacs)


def _any_of(names: frozenset[str]) -> str:
    return "|".join(re.escape(name) for name in sorted(names))
