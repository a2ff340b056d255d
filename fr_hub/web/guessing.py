"""Slows those who guess passwords, and locks nobody out.

Who fails is slowed: an address at one account soon, an address at all accounts later. An account is
never refused because others guess at it: an attempt then waits a moment, and does not wait if the
account was signed in to from the same address before. What is counted is in memory: each process of
the API counts its own.
"""

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

FORGET_S = 900.0
"""Failures are forgotten when there was none for this long, seconds."""

PAIR_FREE, PAIR_MAX_S = 3, 60.0
ADDRESS_FREE, ADDRESS_MAX_S = 20, 30.0
ACCOUNT_FREE, ACCOUNT_MAX_S, ACCOUNT_STEP_S = 10, 2.0, 0.1

_KEPT = 10_000
"""The most addresses, accounts and pairs that are counted."""


@dataclass(slots=True)
class _Failures:
    count: int = 0
    last: float = 0.0


class _Counts:
    def __init__(self) -> None:
        self._by_key: OrderedDict[str, _Failures] = OrderedDict()

    def of(self, key: str, now: float) -> _Failures:
        found = self._by_key.get(key)
        if found is None or now - found.last > FORGET_S:
            return _Failures()
        return found

    def add(self, key: str, now: float) -> None:
        count = self.of(key, now).count + 1
        self._by_key[key] = _Failures(count, now)
        self._by_key.move_to_end(key)
        while len(self._by_key) > _KEPT:
            self._by_key.popitem(last=False)

    def undo(self, key: str) -> None:
        if (found := self._by_key.get(key)) is not None:
            found.count = max(0, found.count - 1)

    def forget(self, key: str) -> None:
        self._by_key.pop(key, None)


class Guessing:
    """Counts attempts to sign in. Used by one thread, that of the event loop.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pairs, self._addresses, self._accounts = _Counts(), _Counts(), _Counts()
        self._known: OrderedDict[str, None] = OrderedDict()

    def refused_s(self, account: str, address: str) -> float:
        """For how long this address may not try this account, seconds; 0: it may. An attempt that
        is refused counts as none."""
        now, pair = self._clock(), _pair(account, address)
        found = self._pairs.of(pair, now)
        waits = [_left(found, PAIR_FREE, PAIR_MAX_S, now)]
        if pair not in self._known:
            found = self._addresses.of(network_of(address), now)
            waits.append(_left(found, ADDRESS_FREE, ADDRESS_MAX_S, now))
        return max(waits)

    def attempt(self, account: str, address: str) -> float:
        """Count an attempt as failed, before its password is checked; returns how long the check
        waits, seconds."""
        now, pair = self._clock(), _pair(account, address)
        self._pairs.add(pair, now)
        self._addresses.add(network_of(address), now)
        self._accounts.add(account, now)
        over = self._accounts.of(account, now).count - ACCOUNT_FREE
        return 0.0 if pair in self._known else min(ACCOUNT_MAX_S, max(0, over) * ACCOUNT_STEP_S)

    def succeeded(self, account: str, address: str) -> None:
        """The counted attempt has not failed."""
        pair = _pair(account, address)
        self._pairs.forget(pair)
        self._addresses.undo(network_of(address))
        self._accounts.undo(account)
        self._known[pair] = None
        self._known.move_to_end(pair)
        while len(self._known) > _KEPT:
            self._known.popitem(last=False)


def _left(found: _Failures, free: int, longest: float, now: float) -> float:
    over = found.count - free
    if over < 0:
        return 0.0
    return max(0.0, found.last + min(longest, 2.0 ** min(over, 16)) - now)


def _pair(account: str, address: str) -> str:
    return f"{account}\0{network_of(address)}"


def network_of(address: str) -> str:
    """What shares the limits of an address: of IPv6, everybody has 2**64, so their network."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return address
    if found.ipv4_mapped is not None:  # all of IPv4 is one such network
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((int(found), 64), strict=False))
