"""All families of faults: importing this fills the catalogue."""

from tests.faults import (
    clients,
    commands,
    kills,
    machine,
    partition,
    poison,
    power,
    primary,
    rate,
    stops,
    store,
    wire,
)

__all__ = [
    "clients",
    "commands",
    "kills",
    "machine",
    "partition",
    "poison",
    "power",
    "primary",
    "rate",
    "stops",
    "store",
    "wire",
]
