"""The page writes volumes and measures of ECGs as the text of a report does."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from common.domain.text_lines import fixed, in_ml, measure
from fr_hub.web.page_files import FOLDER

PAGE = FOLDER.parent
COMPILER = PAGE / "node_modules" / "typescript"
FORMATS = PAGE / "src" / "parts" / "formats.ts"

SCRIPT = """
const [compiler, source] = process.argv.slice(1);
const text = require("fs").readFileSync(source, "utf8");
const options = { compilerOptions: { module: "commonjs", target: "es2022" } };
const made = { exports: {} };
new Function("exports", require(compiler).transpileModule(text, options).outputText)(made.exports);
const { volumes, numbers, units } = JSON.parse(require("fs").readFileSync(0, "utf8"));
const fixed = numbers.map((one) => [0, 1, 2].map((decimals) => one.toFixed(decimals)));
const measures = numbers.flatMap((one) => units.map((unit) => made.exports.measureText(one, unit)));
console.log(JSON.stringify({ volumes: volumes.map(made.exports.mlText), fixed, measures }));
"""

VOLUMES = [
    *(0, 0.001, 0.004, 0.00512, 0.0095, 0.00999, 0.01, 0.0995, 0.0625, 0.09996, 0.1, 0.5625, 1.0),
    *(1.125, 3.456, 9.995, 9.996, 10.25, 10.75, 12.25, 99.95, 99.96, 99.99, 100.0, 100.5, 101.5),
    *(n + 0.5 for n in range(900, 1000)),
    *(n / 8 for n in range(1, 1000)),
    *(n / 1000 for n in range(1, 12_000, 7)),
]
NUMBERS = [n / 8 for n in range(-200, 200)] + [n / 100 for n in range(0, 10_000, 3)]


UNITS = ["ms", "°", ""]


def of_the_page(volumes: list[float], numbers: list[float]) -> dict[str, Any]:
    """What the page makes of them: `mlText`, `toFixed` with 0 to 2 decimals, `measureText`."""
    if not COMPILER.exists() and not os.environ.get("CI"):
        pytest.skip("the page's packages are not installed: run make page")
    # Node.js may be that of PyPI, beside this Python.
    paths = f"{os.environ['PATH']}{os.pathsep}{Path(sys.executable).parent}"
    found = subprocess.run(
        ["node", "-e", SCRIPT, str(COMPILER), str(FORMATS)],  # noqa: S607
        input=json.dumps({"volumes": volumes, "numbers": numbers, "units": UNITS}),
        env={**os.environ, "PATH": paths},
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    made: dict[str, Any] = json.loads(found.stdout)
    return made


def test_page_and_text_round_alike() -> None:
    made = of_the_page(VOLUMES, NUMBERS)
    assert made["volumes"] == list(map(in_ml, VOLUMES))
    assert made["fixed"] == [[fixed(one, decimals) for decimals in range(3)] for one in NUMBERS]
    assert made["measures"] == [measure(one, unit) for one in NUMBERS for unit in UNITS]
