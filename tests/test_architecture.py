"""The arrows that must not exist. Fr-PACS knows only the wire, Fr-BRAIN knows only the store,
Fr-HUB alone knows both."""

import pytest

from tests.imports import (
    PACKAGES,
    Use,
    all_uses,
    imports_in,
    imports_of,
    modules,
    names_in,
    names_of,
    ours,
    reached_from,
    told,
)

UNITS = ("fr_pacs", "fr_hub", "fr_brain")
SOCKETS = ("socket", "ssl", "select", "selectors", "socketserver", "http", "urllib.request")
STREAMS = (
    "open_connection",
    "start_server",
    "open_unix_connection",
    "start_unix_server",
    "create_connection",
    "create_server",
    "create_unix_connection",
    "create_unix_server",
    "create_datagram_endpoint",
)
ENVIRONMENT = ("environ", "environb", "getenv", "getenvb", "putenv", "unsetenv", "expandvars")
PICKLES = ("pickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib")

# What does I/O, looks at the clock or leaves traces.
OUTSIDE = (
    *SOCKETS,
    "asyncio",
    "ctypes",
    "fcntl",
    "glob",
    "io",
    "logging",
    "mmap",
    "multiprocessing",
    "os",
    "pathlib",
    "pymongo",
    "random",
    "requests",
    "rich",
    "secrets",
    "shutil",
    "signal",
    "structlog",
    "subprocess",
    "sys",
    "tempfile",
    "threading",
    "time",
    "urllib",
)

# Exceptions, each with its reason: (module, name).
SOCKET_EXCEPTIONS = {
    # asks over its Unix socket whether it is ready, without the driver
    ("common.mongod.embedded", "socket"),
}
ENVIRONMENT_EXCEPTIONS = {
    # hands its own environment on to the units that it starts, and reads nothing in it
    ("common.launcher.launcher", "environ"),
}
ANALYZER_EXCEPTIONS = {
    # finds the analyzers that are installed; it analyses nothing
    ("fr_brain.analyzers.registry", "importlib.metadata"),
}

RUN_TIME_NAMES = {
    # runs the analyzer that its task names, in a process for that alone
    ("fr_brain.analyzers.conformance.child", "import_module"),
}
CONFORMANCE = tuple(
    f"fr_brain.analyzers.conformance{part}" for part in ("", ".checks", ".cases", ".child")
)
"""Beside the analyzers, where their authors look for it; it starts processes and measures."""

# What else of the product a room may import.
STORE_PARTS = (
    "common.store.audit_log",
    "common.store.capacity",
    "common.store.claims",
    "common.store.connection",
    "common.store.db_manager",
    "common.store.failed_scans",
    "common.store.outbox",
    "common.store.pictures",
    "common.store.queries",
    "common.store.reconciliation",
    "common.store.retention",
    "common.store.revisions",
    "common.store.roles",
    "common.store.scans",
    "common.store.server_status",
    "common.store.supervision",
)
TRANSPORT_PARTS = (
    "common.wire.async_connection",
    "common.wire.async_receiver",
    "common.wire.async_server",
    "common.wire.blocking_connection",
    "common.wire.blocking_server",
    "common.wire.connection_policy",
    "common.wire.tls",
    "common.wire.transport",
)
ROOMS: dict[str, set[str]] = {
    "common.domain.states": set(),
    "common.errors": {"domain.states"},
    "common.domain.models": {"domain.states", "errors"},
    "common.wire.messages": {"domain.states", "errors", "domain.models"},
    "common.wire.protocol": {"domain.states", "errors", "domain.models", "wire.messages"},
    "common.wire.handshake": {"domain.states", "errors", "wire.messages", "wire.protocol"},
    "common.domain.audit_chain": {"domain.models"},
    "common.audit.scan_index": {"domain.audit_chain"},
    "common.audit.writer": {"domain.audit_chain", "store.audit_log", "errors", "runtime.logger"},
    "common.runtime.lifecycle": set(),
    "common.runtime.logger": set(),
    "common.settings.base": {"errors", "domain.models"},
    "common.settings.hub": {"domain.models", "settings.base"},
    "common.settings.brain": {"domain.models", "settings.base"},
    "common.settings.pacs": {"domain.states", "domain.models", "settings.base"},
    "common.settings.commands": {"domain.states", "domain.models", "settings.base"},
    "common.settings.loading": {
        "errors",
        "settings.base",
        "settings.brain",
        "settings.commands",
        "settings.hub",
        "settings.pacs",
    },
    "common.domain.report_schema": {"domain.states", "domain.models"},
    "common.domain.report_text": {"domain.models"},
}

# ``DBManager`` and its parts, a file for each who calls them.
STORE = [module for module in modules() if module in STORE_PARTS]
STORE_MAY = {
    "domain.audit_chain",
    "domain.states",
    "store.documents",
    "errors",
    "domain.models",
    "store.error_mapping",
    "store.notifications",
}
for part in STORE:
    ROOMS[part] = STORE_MAY | {module.removeprefix("common.") for module in STORE}

# The wire's sockets and its TLS.
TRANSPORT = [module for module in modules() if module in TRANSPORT_PARTS]
TRANSPORT_MAY = {"domain.states", "errors", "wire.handshake", "wire.messages", "wire.protocol"}
for part in TRANSPORT:
    ROOMS[part] = TRANSPORT_MAY | {module.removeprefix("common.") for module in TRANSPORT}


def excepted(use: Use, exceptions: set[tuple[str, str]]) -> bool:
    return any(use.module == module and use.within([name]) for module, name in exceptions)


@pytest.mark.parametrize("unit", UNITS)
def test_no_unit_reaches_another(unit: str) -> None:
    others = [other for other in UNITS if other != unit]
    for module, way in reached_from(unit).items():
        assert not Use("", module, "", 0).within(others), told(way)


def test_common_imports_no_unit() -> None:
    wrong = [use for use in all_uses(["common"]) if use.within(UNITS)]
    assert not wrong, told(wrong)


@pytest.mark.parametrize(
    "module", ["common.wire.protocol", "common.wire.messages", "common.wire.handshake"]
)
def test_the_protocol_knows_no_socket_clock_or_log(module: str) -> None:
    for reached in reached_from(module):
        wrong = [use for use in imports_of(reached) if use.within(OUTSIDE)]
        assert not wrong, told(wrong)


@pytest.mark.parametrize(("room", "may"), ROOMS.items(), ids=ROOMS)
def test_a_room_imports_only_what_it_may(room: str, may: set[str]) -> None:
    allowed = {f"common.{name}" for name in may}
    wrong = [use for use in imports_of(room) if ours(use) not in (None, *allowed)]
    assert not wrong, told(wrong)


def test_sockets_are_only_in_the_transport() -> None:
    wrong = [
        use
        for use in all_uses()
        if use.within(SOCKETS)
        and use.module not in TRANSPORT
        and not excepted(use, SOCKET_EXCEPTIONS)
    ]
    wrong += [
        use
        for module in modules()
        if module not in TRANSPORT
        for use in names_of(module)
        if use.name in STREAMS
    ]
    assert not wrong, told(wrong)


def test_pymongo_is_only_in_the_store() -> None:
    rooms = (*STORE, "common.store.error_mapping", "common.store.notifications")
    wrong = [
        use for use in all_uses() if use.within(["pymongo", "gridfs"]) and use.module not in rooms
    ]
    assert not wrong, told(wrong)


def test_fr_pacs_never_reaches_the_store() -> None:
    reached = reached_from("fr_pacs")
    assert "common.wire.protocol" in reached
    assert "common.store.db_manager" not in reached, told(reached["common.store.db_manager"])
    for module, way in reached.items():
        wrong = [use for use in imports_of(module) if use.within(["pymongo", "gridfs"])]
        assert not wrong, told([*way, *wrong])


@pytest.mark.parametrize("room", [*TRANSPORT, "common.wire.protocol", "common.wire.messages"])
def test_fr_brain_never_reaches_the_wire(room: str) -> None:
    reached = reached_from("fr_brain")
    assert "common.store.db_manager" in reached
    assert room not in reached, told(reached[room])


def test_fr_hub_alone_knows_both() -> None:
    both = {"common.store.db_manager", "common.wire.transport"}
    assert [unit for unit in UNITS if both <= reached_from(unit).keys()] == ["fr_hub"]


def test_analyzers_reach_nothing_but_the_models() -> None:
    models = {"common", "common.domain.states", "common.errors", "common.domain.models"}
    for module, way in reached_from("fr_brain.analyzers").items():
        inside = Use("", module, "", 0).within(["fr_brain.analyzers"])
        assert inside or module in models, told(way)


def test_analyzers_do_no_input_or_output() -> None:
    for module in reached_from("fr_brain.analyzers").keys() - set(CONFORMANCE):
        wrong = [use for use in imports_of(module) if use.within((*OUTSIDE, "importlib"))]
        wrong = [use for use in wrong if not excepted(use, ANALYZER_EXCEPTIONS)]
        wrong += [use for use in names_of(module) if use.name in ("open", "print", "input")]
        assert not wrong, told(wrong)


def test_no_analyzer_and_no_brain_uses_what_checks_analyzers() -> None:
    for module in modules().keys() - set(CONFORMANCE):
        wrong = [use for use in imports_of(module) if use.within(CONFORMANCE)]
        assert not wrong, told(wrong)


def test_pictures_are_drawn_of_arrays_and_models_alone() -> None:
    rooms = {"common", "common.domain.states", "common.errors", "common.domain.models", "fr_brain"}
    rooms |= {"fr_brain.analyzers", "fr_brain.analyzers.base"}
    for module, way in reached_from("fr_brain.pictures").items():
        assert module in rooms or module.startswith("fr_brain.pictures"), told(way)
        # ``io`` for the PNG in memory; nothing that is stored or sent.
        wrong = [use for use in imports_of(module) if use.within(OUTSIDE) and use.name != "io"]
        wrong += [use for use in names_of(module) if use.name in ("open", "print", "input")]
        assert not wrong, told(wrong)
    drawn = [use for use in all_uses() if use.within(["PIL"])]
    assert {use.module for use in drawn} <= {"fr_brain.pictures.canvas"}, told(drawn)


def test_the_environment_is_read_only_by_the_settings() -> None:
    wrong = [
        use
        for module in modules()
        if not module.startswith("common.settings.loading")
        for use in (*names_of(module), *imports_of(module))
        if use.name.rpartition(".")[2] in ENVIRONMENT
        and (use.module, use.name.rpartition(".")[2]) not in ENVIRONMENT_EXCEPTIONS
    ]
    assert not wrong, told(wrong)


def test_signals_are_only_in_the_lifecycle() -> None:
    wrong = [
        use
        for use in all_uses()
        if use.within(["signal"]) and use.module != "common.runtime.lifecycle"
    ]
    assert not wrong, told(wrong)


def test_nothing_is_pickled_by_hand() -> None:
    wrong = [use for use in all_uses() if use.within(PICKLES)]
    wrong += [
        use for module in modules() for use in names_of(module) if use.name == "allow_pickle="
    ]
    assert not wrong, told(wrong)


def test_no_module_is_imported_by_a_name_made_at_run_time() -> None:
    """Else the tests above would not see it."""
    wrong = [
        use
        for module in modules()
        for use in names_of(module)
        if use.name in ("__import__", "import_module", "exec", "eval")
        and (use.module, use.name) not in RUN_TIME_NAMES
    ]
    assert not wrong, told(wrong)


def test_no_two_modules_import_each_other() -> None:
    for module in modules():
        for use in imports_of(module):
            target = ours(use)
            if target is not None and target != module:
                way = reached_from(target) if target not in PACKAGES else {}
                assert module not in way, told([use, *way.get(module, ())])


def test_each_exception_is_still_needed() -> None:
    for module, name in SOCKET_EXCEPTIONS | ANALYZER_EXCEPTIONS:
        assert any(use.within([name]) for use in imports_of(module)), (module, name)
    for module, name in ENVIRONMENT_EXCEPTIONS | RUN_TIME_NAMES:
        assert any(use.name == name for use in names_of(module)), (module, name)


# --- the reading itself ------------------------------------------------------------------------

SOURCE = """
import os.path, socket as s
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    import pymongo
def later():
    from fr_hub import server
    from . import base
    from ..processor import Processor
    import importlib
    return os.environ["A"]
"""


def test_imports_are_seen_wherever_they_are() -> None:
    uses = list(imports_in("fr_brain.analyzers.x", SOURCE, "fr_brain/analyzers/x.py"))
    assert {use.name for use in uses} == {
        "os.path",
        "socket",
        "typing.TYPE_CHECKING",
        "pymongo",
        "fr_hub.server",
        "fr_brain.analyzers.base",
        "fr_brain.processor.Processor",
        "importlib",
    }
    assert str(uses[0]) == "fr_brain/analyzers/x.py:2: fr_brain.analyzers.x uses os.path"


def test_names_are_seen_whole_and_by_their_end() -> None:
    names = {use.name for use in names_in("x", SOURCE + "f(allow_pickle=True)", "x.py")}
    assert {"os.environ", "environ", "allow_pickle="} <= names


def test_the_product_is_read() -> None:
    assert {"common.domain.models", "fr_hub.server", "fr_brain.analyzers", "fr_pacs"} <= set(
        modules()
    )
    assert "common.domain.states" in reached_from("fr_hub.__main__")
