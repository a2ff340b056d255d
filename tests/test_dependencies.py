"""The audit of the dependencies fails on what it could not look up."""

from typing import Any

from tests.dependencies import LOCK, flaws, pinned, sbom
from tests.processes import ROOT

LOCKED = """\
cffi==2.1.1 ; sys_platform != 'nowhere' \\
    --hash=sha256:aa
numpy==2.4.6 ; python_full_version < '3' \\
    --hash=sha256:bb
rich==14.0.0 \\
    --hash=sha256:cc \\
    --hash=sha256:dd
"""


def test_the_packages_of_this_platform_are_found() -> None:
    assert pinned(LOCKED) == {"cffi": "2.1.1", "rich": "14.0.0"}


def test_the_lock_of_this_project_is_understood() -> None:
    lock = (ROOT / LOCK).read_text()
    assert {"numpy", "pymongo", "pydantic"} <= pinned(lock).keys()


def test_a_package_that_is_clean_is_no_flaw() -> None:
    assert flaws({"rich": "1"}, [{"name": "rich", "version": "1", "vulns": []}]) == []


def test_skipped_and_missing_packages_and_vulnerabilities_are_flaws() -> None:
    vulnerable: dict[str, Any] = {
        "name": "c",
        "version": "1",
        "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}],
    }
    audited: list[dict[str, Any]] = [{"name": "a", "skip_reason": "not found"}, vulnerable]
    assert flaws({"a": "1", "b": "1", "c": "1"}, audited) == [
        "a: skipped: not found",
        "b: not looked up",
        "c 1: CVE-1 (fixed in: 2)",
    ]


def test_the_sbom_names_each_package() -> None:
    (component,) = sbom({"rich": "14.0.0"})["components"]
    assert component["purl"] == "pkg:pypi/rich@14.0.0"
