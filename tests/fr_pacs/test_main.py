"""``python -m fr_pacs``: its exit codes, and what it writes."""

import json
import subprocess
import sys
from pathlib import Path

from common.runtime.lifecycle import Exit
from tests.running import free_port


def fr_pacs(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Fr-PACS to its end in an empty folder, with these settings."""
    root = Path(__file__).parents[2]
    settings = {
        "PYTHONPATH": str(root),
        "PATH": "/usr/bin:/bin",
        "LOG_FORMAT": "json",
        "PACS_PORT": str(free_port()),
        "HUB_PORT": str(free_port()),
        **variables,
    }
    command = [sys.executable, "-m", "fr_pacs"]
    return subprocess.run(
        command, cwd=folder, env=settings, capture_output=True, text=True, timeout=60, check=False
    )


def test_scans_that_all_fail_end_the_run_with_exit_code_1(tmp_path: Path) -> None:
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans" / "a.nii").write_bytes(b"not an image" * 99)
    summary = tmp_path / "summary.json"
    done = fr_pacs(tmp_path, SOURCE=str(tmp_path / "scans"), SUMMARY=str(summary))
    assert done.returncode == Exit.FAILED, done.stderr
    totals = json.loads(summary.read_text())
    assert (totals["total"], totals["failed"], totals["complete"]) == (1, 1, False)
    [failure] = totals["failures"]
    assert failure["what"] == "a.nii"
    assert failure["reason"].startswith("not a NIfTI file")
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert {line["unit"] for line in lines} == {"fr-pacs"}
    assert "scan failed" in {line["event"] for line in lines}


def test_a_source_that_does_not_exist_is_named(tmp_path: Path) -> None:
    done = fr_pacs(tmp_path, SOURCE=str(tmp_path / "absent"))
    assert done.returncode == Exit.FAILED
    assert "absent cannot be read: No such file" in done.stderr
    assert "Traceback" not in done.stderr
