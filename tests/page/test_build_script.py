"""The script that builds the page says what is missing, soon, so that everything else can start."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fr_hub.web.page_files import FOLDER

PAGE = FOLDER.parent
ROOT = PAGE.parents[2]
TOOLS = ("sh", "dirname", "touch", "env", "uname")
NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What the script needs of a checkout, without the page's packages."""
    page = tmp_path / PAGE.relative_to(ROOT)
    page.mkdir(parents=True)
    for name in ("build.sh", "package.json", "package-lock.json", ".npmrc"):
        shutil.copy(PAGE / name, page)
    (tmp_path / "common").mkdir()
    shutil.copy(ROOT / "common" / "requirements-node.txt", tmp_path / "common")
    return tmp_path


def build(checkout: Path, python: Path | str, path: str, **given: str) -> tuple[str, float]:
    """What the script says when it fails, and how long that takes, seconds."""
    began = time.monotonic()
    done = subprocess.run(
        [shutil.which("sh") or "sh", checkout / PAGE.relative_to(ROOT) / "build.sh", python],
        env={"PATH": path, "HOME": str(checkout), **given},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    return done.stderr, time.monotonic() - began


@pytest.mark.long
@pytest.mark.skipif(shutil.which("npm") is None, reason="this machine has no Node.js")
def test_without_npms_registry_it_says_so_soon(checkout: Path) -> None:
    given = {"npm_config_registry": NOBODY, "npm_config_cache": str(checkout / "cache")}
    said, seconds = build(checkout, sys.executable, os.environ["PATH"], **given)
    assert "its packages cannot be installed from npm" in said
    assert "then run: make page" in said
    assert seconds < 120


def test_without_nodejs_and_without_pypi_it_says_so(checkout: Path) -> None:
    tools = checkout / "tools"
    tools.mkdir()
    for name in TOOLS:
        (tools / name).symlink_to(shutil.which(name) or "")
    python = tools / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')  # beside no Node.js
    python.chmod(0o700)
    nothing = {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull}
    said, _ = build(checkout, python, str(tools), **nothing)
    assert "there is no Node.js 20.19 or newer" in said
    assert "make PyPI reachable; then run: make page" in said
