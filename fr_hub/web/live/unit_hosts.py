"""Who sees on which hosts units run: those who operate them. Names of hosts tell an attacker
where to go on."""

from common.domain.user import Principal, Right
from common.store.feed_documents import Change


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
