"""Who imports what, read from the source: for the tests of the architecture."""

import ast
import importlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PACKAGES = ("common", "fr_pacs", "fr_hub", "fr_brain")


@dataclass(frozen=True)
class Use:
    """A name that a module imports or uses, and where."""

    module: str
    name: str
    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.module} uses {self.name}"

    def within(self, names: Iterable[str]) -> bool:
        """Whether it is one of these, or something in one of them."""
        return any(self.name == name or self.name.startswith(f"{name}.") for name in names)


def files(folder: str, pattern: str) -> list[Path]:
    """The project's files below a folder, without packages that were installed there."""
    found = (ROOT / folder).rglob(pattern)
    return sorted(path for path in found if "node_modules" not in path.parts)


@cache
def modules() -> dict[str, Path]:
    """Each module of the product by name."""
    found = {}
    for package in PACKAGES:
        for path in files(package, "*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports_in(module: str, source: str, file: str) -> Iterator[Use]:
    """All imports of a source: at the top, in functions, and those for type checking only."""
    package = module if file.endswith("__init__.py") else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Use(module, alias.name, file, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*above, *filter(None, [node.module])]) if node.level else node.module
            for alias in node.names:
                yield Use(module, f"{base}.{alias.name}", file, node.lineno)


def names_in(module: str, source: str, file: str) -> Iterator[Use]:
    """All names used: ``os.environ`` as a whole and by its end, ``environ``."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute):
            yield Use(module, ast.unparse(node), file, node.lineno)
            yield Use(module, node.attr, file, node.lineno)
        elif isinstance(node, ast.Name):
            yield Use(module, node.id, file, node.lineno)
        elif isinstance(node, ast.keyword) and node.arg:
            yield Use(module, f"{node.arg}=", file, node.value.lineno)


@cache
def imports_of(module: str) -> tuple[Use, ...]:
    """What a module of the product imports."""
    path = modules()[module]
    return tuple(imports_in(module, path.read_text(), str(path.relative_to(ROOT))))


@cache
def names_of(module: str) -> tuple[Use, ...]:
    """The names that a module of the product uses."""
    path = modules()[module]
    return tuple(names_in(module, path.read_text(), str(path.relative_to(ROOT))))


def ours(use: Use) -> str | None:
    """The module of the product that is imported: ``from common import const`` gets two names."""
    name = use.name
    while name and name not in modules():
        name = name.rpartition(".")[0]
    return name or None


def all_uses(only: Iterable[str] = PACKAGES) -> Iterator[Use]:
    """All imports of these packages or modules."""
    for module in modules():
        if Use("", module, "", 0).within(only):
            yield from imports_of(module)


@cache
def reached_from(package: str) -> dict[str, tuple[Use, ...]]:
    """The modules that a package or module imports, also through others: by which imports."""
    starts = [module for module in modules() if Use("", module, "", 0).within([package])]
    assert starts, f"there is no {package}"
    reached: dict[str, tuple[Use, ...]] = dict.fromkeys(starts, ())
    while starts:
        module = starts.pop()
        for use in imports_of(module):
            target = ours(use)
            if target is not None and target not in reached:
                reached[target] = (*reached[module], use)
                starts.append(target)
    return reached


_NAMES_A_MODULE = re.compile(
    r"(?<![\w./:-])(?:common|fr_pacs|fr_hub|fr_brain|tests)(?:[./][a-z_][a-z_0-9]*)+"
    r"(?:\.py)?(?::\w+)?(?![\w/(*-])"
)


def modules_in_strings() -> Iterator[tuple[str, str]]:
    """Names of our modules in strings, the Makefile and pyproject.toml: (name, file)."""
    for path in (path for folder in (*PACKAGES, "tests") for path in files(folder, "*.py")):
        if path.name not in ("imports.py", "test_architecture.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield from _named(node.value, path)
    for name in ("Makefile", "pyproject.toml", ".ci/run"):
        yield from _named((ROOT / name).read_text(), ROOT / name)


def _named(text: str, path: Path) -> Iterator[tuple[str, str]]:
    for match in _NAMES_A_MODULE.finditer(text):
        yield match.group(), str(path.relative_to(ROOT))


def resolves(name: str) -> bool:
    """Whether a file, or a module and a name in it, exists. Modules of the product are imported;
    those of the tests are only found, as some of them act when they are imported."""
    module, _, symbol = name.partition(":")
    if "/" in module:
        return (ROOT / module).exists()
    parts = module.split(".")
    for end in range(len(parts), 0, -1):
        base = ROOT.joinpath(*parts[:end])
        if base.with_suffix(".py").exists() or (base / "__init__.py").exists():
            names = [*parts[end:], *filter(None, symbol.split("."))]
            if parts[0] == "tests":
                return not names or names[0] in base.with_suffix(".py").read_text()
            return _has(importlib.import_module(".".join(parts[:end])), names)
    return False


def _has(thing: Any, names: Iterable[str]) -> bool:
    for name in names:
        if not hasattr(thing, name):
            return False
        thing = getattr(thing, name)
    return True


def told(uses: Iterable[Use]) -> str:
    """These, a line each."""
    return "\n" + "\n".join(sorted(map(str, uses)))
