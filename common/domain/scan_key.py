"""The key of a scan: its id and the Fr-PACS that it belongs to, as one string.

A sender chooses the id, so two Fr-PACS may choose the same one. The store, the audit trail and the
commands use the key, in which they cannot meet; the wire and Fr-PACS use the id alone, as each
connection belongs to one Fr-PACS.
"""

SEPARATOR = "@"
"""No id and no name of a unit contains it."""


def scan_key(scan_id: str, pacs: str) -> str:
    """The key of the scan of this id that this Fr-PACS sent: ``<scan_id>@<pacs>``."""
    return f"{scan_id}{SEPARATOR}{pacs}"


def scan_id_of(key: str) -> str:
    """The id in a key; an id without a Fr-PACS is returned as it is."""
    return key.partition(SEPARATOR)[0]


def pacs_of(key: str) -> str | None:
    """The Fr-PACS in a key; None if it names none."""
    return key.partition(SEPARATOR)[2] or None
