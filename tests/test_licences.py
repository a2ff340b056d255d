"""Each package that Fr installs is listed with its version and its licence."""

from importlib.metadata import PackageNotFoundError

import pytest

from tests.licences import DOCUMENT, LOCK, PURPOSES, licence_of, locked, rows, table

pytestmark = pytest.mark.sample(1000)  # all

LOCKED = locked(LOCK.read_text())
LISTED = rows(DOCUMENT.read_text())


def test_each_locked_package_is_listed_with_its_version() -> None:
    """Else: ``make licences``, after adding to ``PURPOSES`` what a new package is for."""
    listed = {name: version for name, (version, _, _) in LISTED.items()}
    assert listed == {name: ", ".join(versions) for name, versions in LOCKED.items()}
    assert LOCKED.keys() == PURPOSES.keys()


@pytest.mark.parametrize("package", LOCKED)
def test_the_listed_licence_is_the_one_that_the_package_declares(package: str) -> None:
    try:
        licence = licence_of(package)
    except PackageNotFoundError:
        pytest.skip("not installed on this platform or Python")
    assert LISTED[package][1] == licence


def test_a_package_that_is_not_installed_keeps_its_licence() -> None:
    PURPOSES["not-installed"] = "nothing"
    try:
        made = table("not-installed==1.0 \\\n", {"not-installed": ("0.9", "ISC", "nothing")})
    finally:
        del PURPOSES["not-installed"]
    assert made.splitlines()[2] == "| not-installed | 1.0 | ISC | nothing |"


def test_each_version_of_a_lock_is_found() -> None:
    lock = "numpy==1.0 ; python_full_version < '3.12' \\\n    --hash=x\nnumpy==2.0 \\\n"
    assert locked(lock) == {"numpy": ["1.0", "2.0"]}
