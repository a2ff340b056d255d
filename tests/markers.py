"""Which tests are pure: markers that follow from what a test reaches, so that nobody sets them.

``mongodb``: it has a database of the shared MongoDB, or starts a mongod. ``processes``: it starts
processes, most of them our units and commands. ``unit``: neither. ``slow``: it draws hundreds of
examples, computes on whole images or waits for time limits; a test may be marked so by hand too.
"""

import inspect
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest

DATABASE = {"mongodb_uri", "database"}
PROCESSES = (
    "subprocess",
    "multiprocessing",
    "pty",
    "common.formats.reading.process",
    "fr_brain.analyzers.conformance",
    "fr_brain.process_slot",
    "fr_brain.supervisor",
    "fr_brain.work_signal",
)
SLOW = (
    "tests.common.domain.test_voxel_compression",
    "tests.common.formats.nifti.test_volume_reader",
    "tests.common.wire.test_async_endings",
    "tests.common.wire.test_blocking_connection",
    "tests.common.wire.test_flipped_bits",
    "tests.common.wire.test_protocol_stateful",
    "tests.common.wire.test_slow_peers",
    "tests.evaluation",
    "tests.fr_brain.analyzers.volume",
    "tests.fr_brain.pictures",
    "tests.fr_pacs.sources.phantom",
    "tests.fr_pacs.test_client",
    "tests.fr_pacs.test_pacs",
)
MONGOD = ("common.mongod.embedded", "common.mongod.guardian", "tests.mongo")


CASES = 6
"""Of each test without the marker ``sample``, as many cases are not left to LONG=1."""


def long_by_sample(items: Iterable[pytest.Item]) -> Iterator[pytest.Item]:
    """The cases that run only with LONG=1: of a test that is marked ``sample(n)`` all but ``n``,
    else all but ``CASES``. Those that are left are evenly spread over the cases."""
    cases: dict[tuple[object, str], list[pytest.Function]] = defaultdict(list)
    for item in items:
        if isinstance(item, pytest.Function):
            cases[item.parent, item.originalname].append(item)
    for together in cases.values():
        marker = together[0].get_closest_marker("sample")
        [wanted] = (CASES,) if marker is None else marker.args
        if wanted >= len(together):
            continue
        kept = {len(together) * n // wanted for n in range(wanted)}
        yield from (item for n, item in enumerate(together) if n not in kept)


def markers_of(item: pytest.Function) -> set[str]:
    """The markers of a test, by its fixtures and by what it and they use."""
    found = {"mongodb"} if DATABASE & set(item.fixturenames) else set()
    definitions = item._fixtureinfo.name2fixturedefs.values()
    functions = [item.function, *(one.func for some in definitions for one in some)]
    for function in functions:
        found |= _reached(inspect.unwrap(function))
    found = found or {"unit"}
    if item.module.__name__.startswith(SLOW) or hasattr(item.function, "hypothesis"):
        found.add("slow")
    return found


@cache
def _reached(function: Any) -> frozenset[str]:
    """What a function uses, with the functions and classes of ``tests`` that it uses."""
    found: set[str] = set()
    seen: set[Any] = set()
    left = [function]
    while left:
        current = left.pop()
        if current in seen:
            continue
        seen.add(current)
        for used in _used_by(current):
            home = (
                used.__name__
                if isinstance(used, ModuleType)
                else getattr(used, "__module__", None) or ""
            )
            if home.startswith(PROCESSES):
                found.add("processes")
            elif home.startswith(MONGOD):
                found.add("mongodb")
            elif home.startswith("tests") and not isinstance(used, ModuleType):
                left.append(used)
    return frozenset(found)


def _used_by(used: Any) -> Iterator[Any]:
    """Modules, functions and classes that a function names, or a class's functions."""
    if isinstance(used, type):
        # Looking into a validator that pydantic has deferred would build it, and change the class.
        own = [value for name, value in vars(used).items() if not name.startswith("__pydantic")]
        members = (inspect.unwrap(getattr(v, "fget", None) or v) for v in own)
        yield from (m for m in members if isinstance(m, FunctionType))
        yield from (base for base in used.__mro__[1:] if base.__module__.startswith("tests"))
    elif isinstance(used, FunctionType):
        names = set(_names(used.__code__))
        values = [used.__globals__[name] for name in names if name in used.__globals__]
        modules = [value for value in values if isinstance(value, ModuleType)]
        values += [vars(m)[n] for m in modules for n in names if n in vars(m)]
        yield from (
            inspect.unwrap(value) if callable(value) else value
            for value in values
            if isinstance(value, ModuleType | FunctionType | type) or hasattr(value, "__wrapped__")
        )


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
