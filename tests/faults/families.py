"""All families of faults: importing this fills the catalogue."""

from tests.faults import (
    clients,
    commands,
    images,
    kills,
    limits,
    machine,
    partition,
    plugins,
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
    "images",
    "kills",
    "limits",
    "machine",
    "partition",
    "plugins",
    "poison",
    "power",
    "primary",
    "rate",
    "stops",
    "store",
    "wire",
]
