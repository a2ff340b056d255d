"""What units may use while faults are injected into their world: memory, connections, tries.

Each bound follows from a setting; beside it is what was measured in worlds at their usual load.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from common.runtime.retry import FIRST_S
from tests.faults.checker import Kind, Violation
from tests.faults.evidence import Stored
from tests.faults.rates import most_within

if TYPE_CHECKING:
    from tests.faults.world import World

LIMITS = {"HUB_MEMORY_MIB": "64", "BUFFER_MIB": "64", "BRAIN_MEMORY_MIB": "512"}
"""Settings of all units: small, so that a unit that keeps no limit shows."""

BASE_MIB = 128
"""A Python process with the libraries of its unit: 65 to 80 MiB were measured."""

MEMORY_MIB = {
    # What it buffers, and as much again on its way to MongoDB: 113 MiB were measured.
    "fr_hub": BASE_MIB + 2 * int(LIMITS["HUB_MEMORY_MIB"]),
    # What waits for acknowledgement, and as much again on its way: 95 MiB were measured.
    "fr_pacs": BASE_MIB + 2 * int(LIMITS["BUFFER_MIB"]),
    # It holds no scans: 75 MiB were measured.
    "fr_brain": BASE_MIB,
    # Files are streamed to the disk, and read by a process of their own.
    "fr_web": BASE_MIB + 64,
    # A poisonous scan takes all that it can get: 512 MiB.
    "processor": int(LIMITS["BRAIN_MEMORY_MIB"]),
}

REPORTS = "Fr-HUB to "
"""How the name of a link begins that carries reports."""

WITHIN_S = 10.0
SCAN_CONNECTIONS = round(WITHIN_S / FIRST_S)
"""On the link of a Fr-PACS to Fr-HUB within that time. Each of its two threads pauses half of
``FIRST_S`` on average after a connection on which a scan was acknowledged, and longer after others.
A link is cut again and again for 4 s at most. 23 were measured; pauses that did not grow while
nothing was acknowledged made 190."""

REPORT_CONNECTIONS = 50
"""On the link of Fr-HUB to a Fr-PACS within that time. Two Fr-HUB pause for 0.1 s at least after a
connection on which a report was answered, and longer after others. 21 were measured; one report
that ended each connection once made 70."""

RESTART_CONNECTIONS = 12
"""As many more for each further start of this Fr-PACS within that time. Each of two Fr-HUB connects
about five times in the second or two that a start takes, as its pauses grow from ``FIRST_S``, and
once when the Fr-PACS has connected. 75 were measured at some seven starts."""

TRIES = 50
"""Of one report. A link that breaks at once does so for 4 s, and Fr-HUB connects again after 0.1 s:
40 tries. 3 were measured."""


@dataclass(frozen=True)
class Usage:
    """What the units of a world have used so far."""

    memory_mib: Mapping[str, float]
    """The most memory of a process, by the name of its slot; or ``brain-1 processor``."""
    connections: Mapping[str, int]
    """The most connections within ``WITHIN_S``, by link."""
    starts: Mapping[str, int]
    """The most starts of a slot's unit within ``WITHIN_S``."""
    tries: int
    """The most tries that one report took."""


def usage_of(world: "World", stored: Stored) -> Usage:
    """What was measured."""
    memory = {}
    for name, slot in world.cluster.slots.items():
        memory[name] = slot.peak_mib
        if slot.unit == "fr_brain":
            memory[f"{name} processor"] = slot.processor_peak_mib
    links = {f"{name} to Fr-HUB": link for name, link in world.to_hub.items()}
    links |= {f"{REPORTS}{name}": link for name, link in world.to_pacs.items()}
    return Usage(
        {name: round(mib, 1) for name, mib in memory.items()},
        {name: link.most_accepted(WITHIN_S) for name, link in links.items()},
        {
            name: most_within(list(slot.started), WITHIN_S)
            for name, slot in world.cluster.slots.items()
        },
        max((report.tries for report in stored.reports.values()), default=0),
    )


def exceeded(usage: Usage, units: Mapping[str, str]) -> Iterator[Violation]:
    """What is above its bound.

    Args:
        usage: what was measured.
        units: the unit of each slot.
    """
    for name, mib in usage.memory_mib.items():
        slot, _, processor = name.partition(" ")
        bound = MEMORY_MIB[processor or units[slot]]
        if mib > bound:
            yield Violation(Kind.EXCESS, name, f"{mib:.0f} MiB of memory, {bound} allowed")
    for link, connections in usage.connections.items():
        allowed = SCAN_CONNECTIONS
        if link.startswith(REPORTS):
            starts = usage.starts.get(link.removeprefix(REPORTS), 0)
            allowed = REPORT_CONNECTIONS + RESTART_CONNECTIONS * max(0, starts - 1)
        if connections > allowed:
            detail = f"{connections} connections in {WITHIN_S:g} s, {allowed} allowed"
            yield Violation(Kind.EXCESS, link, detail)
    if usage.tries > TRIES:
        yield Violation(Kind.EXCESS, "a report", f"{usage.tries} tries, {TRIES} allowed")
