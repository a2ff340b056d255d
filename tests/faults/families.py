"""All families of faults: importing this fills the catalogue."""

from tests.faults import clients, kills, machine, poison, primary, stops, store, wire

__all__ = ["clients", "kills", "machine", "poison", "primary", "stops", "store", "wire"]
