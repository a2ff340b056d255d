"""The types of the page's calls are those of the API's OpenAPI document."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fr_hub.web.app import routes_only
from fr_hub.web.page_files import FOLDER

PAGE = FOLDER.parent
GENERATOR = PAGE / "node_modules" / ".bin" / "openapi-typescript"


def test_the_types_are_made_of_the_document_as_it_is(tmp_path: Path) -> None:
    """Else: ``make types``."""
    if not GENERATOR.exists() and not os.environ.get("CI"):
        pytest.skip("the page's packages are not installed: run make page")
    document, made = tmp_path / "openapi.json", tmp_path / "schema.d.ts"
    document.write_text(json.dumps(routes_only().openapi()))
    script = json.loads((PAGE / "package.json").read_text())["scripts"]["types"]
    options = [word for word in script.split() if word.startswith("--") and word != "--output"]
    # Node.js may be that of PyPI, beside this Python.
    paths = f"{os.environ['PATH']}{os.pathsep}{Path(sys.executable).parent}"
    subprocess.run(
        [GENERATOR, document, "--output", made, *options],
        env={**os.environ, "PATH": paths},
        check=True,
        capture_output=True,
        timeout=300,
    )
    assert made.read_text() == (PAGE / "src" / "api" / "schema.d.ts").read_text()
