"""Fr-PACS knows only the wire, Fr-BRAIN knows only the store, and only Fr-HUB knows both."""

import tomllib
from collections.abc import Iterable

import pytest

from tests.imports import (
    PACKAGES,
    ROOT,
    Use,
    all_uses,
    imports_in,
    imports_of,
    modules,
    modules_in_strings,
    names_in,
    names_of,
    ours,
    reached_from,
    resolves,
    told,
)

UNITS = ("fr_pacs", "fr_hub", "fr_brain")

ROOMS: dict[str, tuple[str, ...]] = {
    "common.errors": (),
    "common.domain": ("common.errors",),
    "common.formats": ("common.domain", "common.errors"),
    "common.settings": ("common.domain", "common.errors"),
    # Beside the formats, which know no settings: what is read here becomes scans under a unit's
    # keys and name. Fr-PACS sends them, the API stores them.
    "common.scan_files": (
        "common.domain",
        "common.errors",
        "common.formats",
        "common.settings",
    ),
    "common.runtime": ("common.domain", "common.errors"),
    "common.mongod": ("common.errors",),
    "common.wire": ("common.domain", "common.errors", "common.runtime", "common.settings"),
    "common.store": (
        "common.domain",
        "common.errors",
        "common.mongod",
        "common.runtime",
        "common.settings",
    ),
    "common.audit": ("common.domain", "common.errors", "common.runtime", "common.store"),
    "common.launcher": (
        "common.domain",
        "common.errors",
        "common.runtime",
        "common.settings",
        "common.store",
    ),
    "common.commands": (
        "common.audit",
        "common.domain",
        "common.errors",
        "common.launcher",
        "common.runtime",
        "common.settings",
        "common.store",
    ),
    "common.models": ("common.domain",),
    "fr_pacs": (
        "common.domain",
        "common.errors",
        "common.formats",
        "common.runtime",
        "common.scan_files",
        "common.settings",
        "common.wire",
    ),
    "fr_hub": (
        "common.audit",
        "common.domain",
        "common.errors",
        "common.formats",
        "common.runtime",
        "common.scan_files",
        "common.settings",
        "common.store",
        "common.wire",
    ),
    "fr_brain": (
        "common.audit",
        "common.domain",
        "common.errors",
        "common.runtime",
        "common.settings",
        "common.store",
    ),
}
"""Each room and the rooms that it may import. A lower room knows nothing of a higher one."""

FORBIDDEN = (
    # The sentence of the house, and the rules of its wings; some are still empty.
    ("fr_pacs", "common.store"),
    ("fr_brain", "common.wire"),
    ("fr_hub.web", "common.wire"),
    ("fr_pacs.gateway", "common.store"),
    ("common.domain", "common.runtime"),
    ("common.formats", "common.wire"),
    ("common.scan_files", "common.wire"),
    ("common.scan_files", "common.store"),
    ("common.formats", "common.store"),
    ("common.wire", "common.store"),
    ("common.store", "common.wire"),
)
"""Pairs of rooms: the first never reaches the second, directly or through others."""

SOCKETS = ("socket", "ssl", "select", "selectors", "socketserver", "http", "urllib.request")
WEB = (
    *("fastapi", "starlette", "uvicorn", "multipart", "python_multipart"),
    *("argon2", "prometheus_client", "websockets"),
)
ONLY_IN: dict[tuple[str, ...], tuple[str, ...]] = {
    # The web server is handed its socket by uvicorn; the gateway's are pynetdicom's.
    SOCKETS: ("common.wire",),
    ("pymongo", "gridfs"): ("common.store",),
    ("signal",): ("common.runtime.lifecycle",),
    ("PIL",): ("fr_brain.pictures.canvas",),
    # The console for people escapes what it prints; nothing else may print.
    ("rich.console", "rich.markup", "rich.table", "rich.live"): ("common.runtime.console",),
    ("rich",): ("common.runtime.console", "common.runtime.run_totals", "common.launcher.units"),
    WEB: ("fr_hub.web",),
    ("reportlab",): ("fr_hub.web.report_pdf",),
    ("markdown_it",): ("fr_hub.web.analyzer_docs",),
    ("pynetdicom",): ("fr_pacs.gateway",),
    ("watchfiles",): ("fr_pacs.sources.watching",),
}
"""Libraries, and the rooms that alone may import them."""

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
TERMINAL = ("sys.stdout", "sys.stderr", "sys.__stdout__", "sys.__stderr__")
MARKUP = ("markup=", "from_markup", "render_str")
ENVIRONMENT = ("environ", "environb", "getenv", "getenvb", "putenv", "unsetenv", "expandvars")
PICKLES = ("pickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib")

IO_OR_CLOCK = (
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
"""What does I/O, reads the clock or leaves traces."""

SANS_IO = (
    "common.wire.protocol",
    "common.wire.frames",
    "common.wire.frame_checks",
    "common.wire.messages",
    "common.wire.handshake",
    "common.wire.scan_transfer",
    "common.domain",
)

# Exceptions, each with its reason: (module, name).
IMPORT_EXCEPTIONS = {
    # asks over its Unix socket whether it is ready, without the driver
    ("common.mongod.embedded", "socket"),
    # the names of HTTP's statuses; it opens nothing
    ("fr_hub.web.problems", "http.HTTPStatus"),
    # finds the analyzers that are installed; it analyses nothing
    ("fr_brain.analyzers.registry", "importlib.metadata"),
}
NAME_EXCEPTIONS = {
    # hands its own environment on to the units that it starts, and reads nothing in it
    ("common.launcher.launcher", "environ"),
    # becomes the command that it is given, with this environment and the variables given with it
    ("common.commands.cli", "environ"),
    # runs the analyzer that its task names, in a process for that alone
    ("fr_brain.analyzers.conformance.child", "import_module"),
}
TERMINAL_EXCEPTIONS = {
    # hand the streams to the functions that bound and escape
    "common.runtime.entry_point",
    "common.runtime.logger",
    "common.runtime.python_errors",
    "common.launcher.units",
    # print only text of their own
    "common.commands.cli",
    # answers the process that started it, through a pipe
    "common.mongod.guardian",
    # a tool for developers that may import nothing of the product; it escapes what it prints
    "fr_brain.analyzers.conformance.__main__",
    "fr_brain.analyzers.conformance.child",
}
"""Modules that use standard output or standard error themselves, each with its reason."""
CONFORMANCE = "fr_brain.analyzers.conformance"
"""Beside the analyzers, where their authors look for it; it starts processes and measures."""


def is_in(module: str, rooms: Iterable[str]) -> bool:
    return Use("", module, "", 0).within(rooms)


def room_of(module: str) -> str:
    """The room that a module is in: a folder of ``common``, one of its files, or a unit."""
    return ".".join(module.split(".")[: 2 if module.startswith("common.") else 1])


def without_exceptions(uses: Iterable[Use]) -> list[Use]:
    return [
        use
        for use in uses
        if not any(use.module == m and use.within([name]) for m, name in IMPORT_EXCEPTIONS)
    ]


def modules_in(room: str) -> list[str]:
    return [module for module in modules() if is_in(module, [room])]


# --- rooms -------------------------------------------------------------------------------------


@pytest.mark.parametrize("room", sorted({room_of(module) for module in modules()} - {"common"}))
def test_a_room_imports_only_what_it_may(room: str) -> None:
    allowed = (room, *ROOMS[room])
    uses = [use for module in modules_in(room) for use in imports_of(module)]
    wrong = [use for use in uses if (target := ours(use)) and not is_in(target, allowed)]
    assert not wrong, told(wrong)


def test_the_rooms_have_floors() -> None:
    """Each room stands above those that it imports: so there is no circle among rooms."""
    floors: dict[str, int] = {}
    while left := [room for room in ROOMS if room not in floors]:
        ready = [room for room in left if all(below in floors for below in ROOMS[room])]
        assert ready, f"a circle among {left}"
        for room in ready:
            floors[room] = 1 + max((floors[below] for below in ROOMS[room]), default=0)
    assert max(floors.values()) <= 7


@pytest.mark.parametrize(("room", "other"), FORBIDDEN)
def test_a_room_never_reaches_another_by_any_way(room: str, other: str) -> None:
    if modules_in(room):
        for module, way in reached_from(room).items():
            assert not is_in(module, [other]), told(way)


@pytest.mark.parametrize("unit", UNITS)
def test_no_unit_reaches_another(unit: str) -> None:
    others = [other for other in UNITS if other != unit]
    for module, way in reached_from(unit).items():
        assert not is_in(module, others), told(way)


def test_fr_hub_alone_knows_both_the_wire_and_the_store() -> None:
    both = {"common.store.db_manager", "common.wire.protocol"}
    assert [unit for unit in UNITS if both <= reached_from(unit).keys()] == ["fr_hub"]
    assert "common.wire.protocol" in reached_from("fr_pacs")
    assert "common.store.db_manager" in reached_from("fr_brain")


def test_nothing_imports_the_commands_or_the_launcher_but_themselves() -> None:
    for room in ("common.commands", "common.launcher", "fr_brain.commands"):
        wrong = [use for use in all_uses() if use.within([room])]
        wrong = [use for use in wrong if not is_in(use.module, [room, "common.commands"])]
        assert not wrong, told(wrong)


def test_the_product_imports_models_from_where_they_are() -> None:
    """``common.models`` is there for plug-ins alone."""
    wrong = [use for use in all_uses() if use.within(["common.models"])]
    assert not wrong, told(wrong)


# --- what only one room may use ----------------------------------------------------------------


@pytest.mark.parametrize(("libraries", "rooms"), ONLY_IN.items(), ids=lambda names: names[0])
def test_a_library_is_used_in_its_room_alone(
    libraries: tuple[str, ...], rooms: tuple[str, ...]
) -> None:
    wrong = [use for use in all_uses() if use.within(libraries) and not is_in(use.module, rooms)]
    wrong = without_exceptions(wrong)
    assert not wrong, told(wrong)


def test_connections_are_made_in_the_wire_alone() -> None:
    wrong = [
        use
        for module in modules()
        if not is_in(module, ["common.wire"])
        for use in names_of(module)
        if use.name in STREAMS
    ]
    assert not wrong, told(wrong)


@pytest.mark.parametrize("room", SANS_IO)
def test_the_protocol_and_the_domain_know_no_socket_clock_or_log(room: str) -> None:
    for reached in reached_from(room):
        wrong = [use for use in imports_of(reached) if use.within(IO_OR_CLOCK)]
        assert not wrong, told(wrong)


def test_analyzers_reach_nothing_but_the_domain() -> None:
    allowed = ("fr_brain.analyzers", "common.domain", "common.errors")
    for module, way in reached_from("fr_brain.analyzers").items():
        assert module in ("common", "fr_brain") or is_in(module, allowed), told(way)


def test_analyzers_do_no_input_or_output() -> None:
    for module in reached_from("fr_brain.analyzers"):
        if is_in(module, [CONFORMANCE]):
            continue
        wrong = [use for use in imports_of(module) if use.within((*IO_OR_CLOCK, "importlib"))]
        wrong = without_exceptions(wrong)
        wrong += [use for use in names_of(module) if use.name in ("open", "print", "input")]
        assert not wrong, told(wrong)


def test_no_analyzer_and_no_brain_uses_what_checks_analyzers() -> None:
    for module in modules():
        if not is_in(module, [CONFORMANCE]):
            wrong = [use for use in imports_of(module) if use.within([CONFORMANCE])]
            assert not wrong, told(wrong)


def test_pictures_are_drawn_of_arrays_and_the_domain_alone() -> None:
    allowed = ("fr_brain.pictures", "fr_brain.analyzers.base", "common.domain", "common.errors")
    for module, way in reached_from("fr_brain.pictures").items():
        parent = module in ("common", "fr_brain", "fr_brain.analyzers")
        assert parent or is_in(module, allowed), told(way)
        # ``io`` for the PNG in memory; nothing that is stored or sent.
        wrong = [use for use in imports_of(module) if use.within(IO_OR_CLOCK) and use.name != "io"]
        wrong += [use for use in names_of(module) if use.name in ("open", "print", "input")]
        assert not wrong, told(wrong)


def test_the_environment_is_read_only_by_the_settings() -> None:
    wrong = [
        use
        for module in modules()
        if not is_in(module, ["common.settings"])
        for use in (*names_of(module), *imports_of(module))
        if use.name.rpartition(".")[2] in ENVIRONMENT
        and (use.module, use.name.rpartition(".")[2]) not in NAME_EXCEPTIONS
    ]
    assert not wrong, told(wrong)


def test_only_the_console_prints() -> None:
    """What it prints is escaped and never markup: see ``common.runtime.console``."""
    allowed = ("common.runtime.console", "common.runtime.output", *TERMINAL_EXCEPTIONS)
    wrong = [
        use
        for module in modules()
        if not is_in(module, allowed)
        for use in (*names_of(module), *imports_of(module))
        if use.name in TERMINAL
    ]
    assert not wrong, told(wrong)
    # The lint rule that forbids ``print`` is switched off nowhere else.
    printing = [m for m, path in modules().items() if "T201" in path.read_text()]
    assert set(printing) <= TERMINAL_EXCEPTIONS


def test_no_text_becomes_markup() -> None:
    wrong = [
        use
        for module in modules()
        if module != "common.runtime.console"
        for use in names_of(module)
        if use.name.rpartition(".")[2] in MARKUP
    ]
    assert not wrong, told(wrong)


def test_each_module_that_uses_a_stream_itself_still_does() -> None:
    for module in TERMINAL_EXCEPTIONS:
        assert any(use.name in TERMINAL for use in names_of(module)), module


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
        and (use.module, use.name) not in NAME_EXCEPTIONS
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
    for module, name in IMPORT_EXCEPTIONS:
        assert any(use.within([name]) for use in imports_of(module)), (module, name)
    for module, name in NAME_EXCEPTIONS:
        assert any(use.name == name for use in names_of(module)), (module, name)


# --- names of modules that stand in strings ----------------------------------------------------


def test_each_module_that_a_string_names_exists() -> None:
    """Entry points, processes started by name, lint exceptions: a move must take them along."""
    found = set(modules_in_strings())
    assert {"common.mongod.guardian", "fr_brain.commands.reanalyze"} <= {name for name, _ in found}
    missing = [f"{file}: {name}" for name, file in sorted(found) if not resolves(name)]
    assert not missing, "\n".join(missing)


@pytest.mark.parametrize(
    "name",
    [
        "common.const",
        "common.store.claims.Nothing",
        "common.commands.cli:nomain",
        "fr_brain.analyzers.volume:Nothing",
        "common/store/nothing.py",
    ],
)
def test_a_name_that_does_not_exist_does_not_resolve(name: str) -> None:
    assert not resolves(name)


def test_each_lint_exception_is_for_files_that_exist() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    for pattern in settings["tool"]["ruff"]["lint"]["per-file-ignores"]:
        assert any(ROOT.glob(pattern)), pattern


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
    assert {"common.domain.scan", "fr_hub.server", "fr_brain.analyzers", "fr_pacs"} <= set(
        modules()
    )
    assert "common.domain.states" in reached_from("fr_hub.__main__")
