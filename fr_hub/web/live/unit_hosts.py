"""Who sees on which hosts units run: those who operate them. Names of hosts tell an attacker
where to go on."""

from common.domain.user import Principal, Right
from common.store.feed_documents import Change

_UNITS = (
    "fr-brain",
    "fr-hub",
    "fr-web",
    "users",
    "erase",
    "reanalyze",
    "requeue",
    "redeliver",
    "retention",
)
"""What the names of chains begin with: units, and commands that change scans."""


def sees_hosts(principal: Principal) -> bool:
    """Whether a user sees the hosts of units."""
    return bool({Right.OPERATE, Right.ADMIN} & principal.rights)


def id_without_host(unit_id: str) -> str:
    """The id of a process without its host and process id: the random part at its end."""
    return unit_id.rpartition("-")[2]


def without_host(change: Change) -> Change:
    """A change of units without their hosts."""
    facts = {name: value for name, value in change.facts.items() if name != "host"}
    return Change(change.kind, [id_without_host(one) for one in change.keys], facts)


def unit_of(process: str) -> str:
    """The unit of a process, from the name of its chain in the audit trail
    (``fr-hub-<host>-<number>-…``); a processor's own name, which begins with its host, is of
    Fr-BRAIN."""
    return next((unit for unit in _UNITS if process.startswith(f"{unit}-")), _UNITS[0])
