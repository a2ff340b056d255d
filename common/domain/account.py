"""A user's own account: the ECGs that they sent, which nobody else sees.

The ids of these ECGs begin with what stands for the user. So a user's query is a range of ids, the
same recording of two users is two scans, and no user learns what another one has sent.
"""

from datetime import UTC, datetime

from blake3 import blake3

from common.domain.scan_key import scan_id_of, scan_key
from common.domain.tenant import ecgs_source, is_ecgs_source

ACCOUNT_DIGITS = 20
"""80 bits: nobody can make a user whose account is that of another one."""

_SEPARATOR = "-"


def account_of(user: str, created_at: datetime) -> str:
    """What stands for a user, 20 hexadecimal digits. A later user of the same name has another one,
    and finds no ECG of the earlier user.

    Args:
        user: the user's name.
        created_at: when the user was created.
    """
    at = created_at.astimezone(UTC).isoformat(timespec="milliseconds")
    return blake3(f"account\0{user}\0{at}".encode()).hexdigest()[:ACCOUNT_DIGITS]


def account_scan_id(account: str, ecg_id: str) -> str:
    """The id of an ECG in the store."""
    return account + _SEPARATOR + ecg_id


def account_key(tenant: str, account: str, ecg_id: str) -> str:
    """The key of an ECG in the store."""
    return scan_key(account_scan_id(account, ecg_id), ecgs_source(tenant))


def account_in(scan_id: str, source: str) -> str | None:
    """The account that a stored scan belongs to; None if it is a tenant's.

    Args:
        scan_id: its id in the store.
        source: the name of the Fr-PACS, or of the uploads, that it came from.
    """
    return scan_id.partition(_SEPARATOR)[0] if is_ecgs_source(source) else None


def ecg_id_of(key: str) -> str:
    """The id by which a user knows an ECG of theirs, from its key."""
    return scan_id_of(key).partition(_SEPARATOR)[2]
