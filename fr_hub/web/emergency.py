"""The emergency account ("break glass"): for a moment when nobody who may is there.

A user with the role ``emergency`` sees what a clinician sees. Its password lies in a sealed
envelope; whoever uses it raises an alarm: an error in the log, an event of the trail (which the
export tells as an override in an emergency) and a metric. The alarm never refuses anything.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

from common.audit.writer import AuditWriter
from common.domain.audit_events import Kind
from common.domain.user import Principal, Role
from common.runtime.logger import Log

EVERY_S = 600.0
"""How often the use of an account from the same address raises the alarm again, seconds."""

_KEPT = 1000


class HasTrail(Protocol):
    """What an alarm is told to."""

    @property
    def audit(self) -> AuditWriter: ...  # noqa: D102

    @property
    def log(self) -> Log: ...  # noqa: D102


class EmergencyAlarm:
    """Tells when an emergency account is in use. On one loop.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._told: OrderedDict[tuple[str, str], float] = OrderedDict()
        self.count = 0
        """How often it was raised."""

    def used(self, context: HasTrail, principal: Principal, address: str) -> None:
        """Raise the alarm if this is an emergency account: with its first use from an address, and
        every ``EVERY_S`` seconds while it is used."""
        if Role.EMERGENCY not in principal.roles:
            return
        now, key = self._clock(), (principal.user, address)
        if now - self._told.get(key, -EVERY_S) < EVERY_S:
            return
        self._told[key] = now
        self._told.move_to_end(key)
        while len(self._told) > _KEPT:
            self._told.popitem(last=False)
        self.count += 1
        context.log.error("an emergency account is in use", user=principal.user, address=address)
        context.audit.note(
            Kind.EMERGENCY,
            peer=address,
            outcome="used",
            by=principal.user,
            tenant=principal.tenant,
        )
