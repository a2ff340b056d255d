"""Fuzz each target and print the results: ``make fuzz FUZZ_S=60 ONLY=wire,nifti``.

Exit codes: 0 no findings, 1 findings (their inputs are kept), 2 could not run.
"""

import importlib.util
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.fuzz.targets import CORPUS, TARGETS

WORK = Path(".fuzz")
RSS_MIB = 1024
INPUT_S = 20

_STAT = re.compile(r"^stat::(\w+):\s+(\d+)")
_PULSE = re.compile(r"^#(\d+)\s.*?cov: (\d+)")
_KEPT = re.compile(r"Test unit written to (\S+/\w+-(?:crash|timeout|oom|leak)-\w+)")


@dataclass(frozen=True, slots=True)
class Result:
    """The result of fuzzing one target."""

    name: str
    executions: int
    per_s: int
    added: int
    kept: list[Path]
    status: int


def main() -> int:
    """Run ``make fuzz``."""
    if importlib.util.find_spec("atheris") is None:
        print(  # noqa: T201 - a command for people
            "atheris is not installed; it has wheels only for x86-64 Linux and Python 3.11 to 3.13 "
            "(make .venv/ready-dev installs it there)",
            file=sys.stderr,
        )
        return 2
    seconds = os.environ.get("FUZZ_S") or "60"
    names = [name for name in os.environ.get("ONLY", "").split(",") if name] or list(TARGETS)
    if not seconds.isdigit() or not int(seconds) or not set(names) <= TARGETS.keys():
        known = ", ".join(TARGETS)
        message = f"FUZZ_S must be whole seconds, and ONLY a list of: {known}"
        print(message, file=sys.stderr)  # noqa: T201
        return 2
    results = [fuzz(name, int(seconds)) for name in names]
    table = Table("target", "executions", "per second", "new in corpus", "findings")
    for one in results:
        table.add_row(one.name, *map(str, (one.executions, one.per_s, one.added, len(one.kept))))
    console = Console()
    console.print(table)
    for one in results:
        for path in one.kept:
            console.print(
                f"replay: {sys.executable} -m tests.fuzz.replay {one.name} {path}", soft_wrap=True
            )
        if one.status and not one.kept:
            console.print(f"{one.name} exited with status {one.status} without saving an input")
    return int(any(one.kept or one.status for one in results))


def fuzz(name: str, seconds: int) -> Result:
    """Fuzz one target in a separate process, and print a summary of libFuzzer's output."""
    found, kept = WORK / name, WORK / "findings"
    found.mkdir(parents=True, exist_ok=True)
    kept.mkdir(exist_ok=True)
    command = [
        *(sys.executable, "-m", "tests.fuzz.child", name),
        *(f"-max_total_time={seconds}", f"-timeout={INPUT_S}", f"-rss_limit_mb={RSS_MIB}"),
        f"-report_slow_units={INPUT_S}",
        *("-print_final_stats=1", f"-artifact_prefix={kept}/{name}-"),
        *(str(found), str(CORPUS / name)),
    ]
    print(f"{name}: {seconds} s", flush=True)  # noqa: T201
    stats: dict[str, int] = {}
    findings: list[Path] = []
    with subprocess.Popen(command, stderr=subprocess.STDOUT, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        trouble = False
        for raw in child.stdout:
            line = raw.decode(errors="replace").rstrip()
            trouble |= "Uncaught Python exception" in line or line.startswith("==")
            if stat := _STAT.match(line):
                stats[stat[1]] = int(stat[2])
            elif pulse := _PULSE.match(line):
                if "pulse" in line:
                    print(f"  {pulse[1]} executions, coverage {pulse[2]}", flush=True)  # noqa: T201
            elif trouble:
                print(f"  {line}", flush=True)  # noqa: T201
            if written := _KEPT.search(line):
                findings.append(Path(written[1]))
    return Result(
        name,
        stats.get("number_of_executed_units", 0),
        stats.get("average_exec_per_sec", 0),
        stats.get("new_units_added", 0),
        findings,
        child.returncode,
    )


if __name__ == "__main__":
    sys.exit(main())
