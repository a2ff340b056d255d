"""Guaranteed shares of a limit, so that one Fr-PACS cannot take what the others need."""

from collections import Counter
from collections.abc import Collection

GUARANTEED = 1 / 2
"""The part of a limit that is divided among the known Fr-PACS; anyone may use the rest."""


class Shares:
    """Divides a limit: each owner has a share that nobody else can take, the rest is common.

    An owner uses its own share first, then the common part. So one alone gets most of the limit,
    and what another one needs within its share is free at any time.

    Args:
        limit: of all owners together.
        owners: those with a share; any other uses the common part only.
    """

    def __init__(self, limit: int, owners: Collection[str] = ()) -> None:
        names = frozenset(owners)
        share = int(limit * GUARANTEED) // len(names) if names else 0
        if names and not share and limit >= len(names):
            share = 1
        self._shares = dict.fromkeys(names, share)
        self._common = limit - share * len(names)
        self._common_used = 0
        self._used = Counter[str]()

    def fits(self, owner: str, amount: int = 1) -> bool:
        """Whether the owner may take this much now."""
        return self._from_common(owner, amount) <= max(0, self._common - self._common_used)

    def fits_share(self, owner: str, amount: int = 1) -> bool:
        """Whether this much is free within the owner's own share."""
        return self._from_common(owner, amount) == 0

    def take(self, owner: str, amount: int = 1) -> None:
        """Count this much as used, whether it fits or not."""
        self._common_used += self._from_common(owner, amount)
        self._used[owner] += amount

    def release(self, owner: str, amount: int = 1) -> None:
        """Return what was taken."""
        self._used[owner] -= amount
        self._common_used -= self._from_common(owner, amount)

    def used(self, owner: str) -> int:
        """What the owner has taken."""
        return self._used[owner]

    def most(self, owner: str) -> int:
        """The most that the owner can ever have at once."""
        return self._shares.get(owner, 0) + self._common

    def share(self, owner: str) -> int:
        """What nobody but the owner can take."""
        return self._shares.get(owner, 0)

    @property
    def total_used(self) -> int:
        """What all owners have taken."""
        return self._used.total()

    def _from_common(self, owner: str, amount: int) -> int:
        """How much of ``amount`` more would come from the common part."""
        beyond = self._used[owner] - self._shares.get(owner, 0)
        return max(0, beyond + amount) - max(0, beyond)
