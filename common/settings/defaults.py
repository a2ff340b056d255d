"""The defaults of settings, as a person writes them."""

from pathlib import Path

from pydantic.fields import FieldInfo

_COMPUTED = {"brain_processes": "one per core"}
"""Defaults that depend on the machine."""


def is_fixed(name: str) -> bool:
    """Whether a setting has the same default on every machine."""
    return name not in _COMPUTED


def default_text(name: str, field: FieldInfo) -> str:
    """The default of a setting, as one would set it; empty if it has none."""
    return _COMPUTED.get(name) or _as_text(field.default)


def _as_text(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    if isinstance(value, frozenset):
        return ",".join(sorted(value))
    if isinstance(value, dict):
        return ",".join(f"{name}={host}:{port}" for name, (host, port) in value.items())
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float):
        return f"{value:g}"
    return value.as_posix() if isinstance(value, Path) else "" if value is None else str(value)
