"""Each module of the product that has logic has its test file, in the same place under tests/."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.imports import ROOT, modules

EXCEPTIONS: dict[str, str] = {}
"""Files with logic that need no test file of their own, by their path here: and why."""


def has_logic(source: str) -> bool:
    """Whether a source defines a function or method with a body that does something."""
    return any(not _is_empty(function) for function in _functions(ast.parse(source)))


def _functions(node: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield child
        elif not (isinstance(child, ast.ClassDef) and _is_protocol(child)):
            yield from _functions(child)


def _is_protocol(node: ast.ClassDef) -> bool:
    bases = (ast.unparse(base).partition("[")[0] for base in node.bases)
    return any(base.rpartition(".")[2] == "Protocol" for base in bases)


def _is_empty(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether there is only a docstring, ``...`` or ``pass``."""
    return all(
        isinstance(line, ast.Pass)
        or (isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant))
        for line in function.body
    )


def mirror_of(path: Path) -> Path:
    """Where the tests of a module belong, both relative to the repository."""
    return Path("tests", path.parent, f"test_{path.name}")


def with_logic() -> list[Path]:
    """The modules with logic, relative to the repository."""
    return [
        path.relative_to(ROOT)
        for path in modules().values()
        if path.name not in ("__init__.py", "__main__.py") and has_logic(path.read_text())
    ]


def test_each_module_with_logic_has_its_test_file() -> None:
    missing = [
        f"create {mirror_of(path)}: {path} has logic and no test file"
        for path in with_logic()
        if str(path) not in EXCEPTIONS and not (ROOT / mirror_of(path)).exists()
    ]
    assert not missing, "\n".join(missing)


def test_each_exception_is_still_needed_and_says_why() -> None:
    needed = {str(path) for path in with_logic() if not (ROOT / mirror_of(path)).exists()}
    assert set(EXCEPTIONS) <= needed
    assert all(EXCEPTIONS.values())


@pytest.mark.parametrize(
    ("source", "logic"),
    [
        ("X = 1\nclass A:\n    x: int = 2", False),
        ("class A(Protocol):\n    def f(self) -> int:\n        return 1", False),
        ("class A(typing.Protocol[T]):\n    def f(self) -> int:\n        return 1", False),
        ('class A(Error):\n    def f(self) -> None:\n        """What it does."""', False),
        ("def f() -> None: ...", False),
        ("def f() -> None:\n    pass", False),
        ("def f() -> int:\n    return 1", True),
        ("async def f() -> None:\n    await g()", True),
        ('class A:\n    class B:\n        def f(self) -> int:\n            """One."""\n'
         "            return 1", True),
        ("if True:\n    def f() -> int:\n        return 1", True),
    ],
)  # fmt: skip
def test_logic_is_a_function_with_a_body(source: str, logic: bool) -> None:
    assert has_logic(source) is logic


def test_the_test_file_is_in_the_same_place() -> None:
    path = Path("common/wire/frames.py")
    assert mirror_of(path) == Path("tests/common/wire/test_frames.py")
