"""Does an analyzer do what one must? For the author of one, in a test of his own:

    from fr_brain.analyzers.conformance import check_analyzer

    def test_it_is_an_analyzer() -> None:
        check_analyzer("my_package:Dark")

or ``python -m fr_brain.analyzers.conformance NAME`` (of an entry point, or module:Class).

The analyzer runs in processes of its own, over images of every type and orientation and over empty,
constant and broken ones. Checked are: nothing is raised; the findings are whole and the same again,
in another process and another order too; the input stays as it was; no file, socket or process is
opened and nothing is printed (an audit hook sees what goes through Python, not what a library in
another language does by itself); time and memory stay within the limits given.

This module and its two neighbours are no analyzers: they start processes and look at the clock.
"""

import contextlib
import json
import queue
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import IO, Any

from fr_brain.analyzers.registry import GROUP

SECONDS = 30.0
MEMORY_MIB = 64.0
BYTES_A_VOXEL = 64.0
_START_S = 60.0


@dataclass(frozen=True)
class Violation:
    """Something that an analyzer must not do."""

    rule: str
    case: str
    text: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.text}" + (f" [{self.case}]" if self.case else "")


class NotConforming(AssertionError):
    """An analyzer has flaws; the text lists them."""

    def __init__(self, name: str, violations: list[Violation]) -> None:
        super().__init__(
            f"{name} is no analyzer yet:\n" + "\n".join(f"  - {f}" for f in violations)
        )
        self.violations = violations


def check_analyzer(
    name: str | type,
    *,
    seconds: float = SECONDS,
    memory_mib: float = MEMORY_MIB,
    bytes_a_voxel: float = BYTES_A_VOXEL,
) -> int:
    """Check one; returns how many images it read.

    Args:
        name: of an entry point of the group ``fr_brain.analyzers``, ``module:Class``, or the class.
        seconds: an image may take so long.
        memory_mib: an analysis may take so much memory, whatever the image's size, and …
        bytes_a_voxel: … so much for each voxel, beside the image itself.

    Raises:
        NotConforming: it has flaws.
        LookupError: there is no such entry point.
    """
    target = _target(name)
    limits = {"memory_mib": memory_mib, "bytes_a_voxel": bytes_a_voxel}
    first = _run(target, {**limits, "reverse": False}, seconds)
    if first.violations:
        raise NotConforming(target, list(dict.fromkeys(first.violations)))
    again = _run(target, {**limits, "reverse": True}, seconds)
    violations = list(dict.fromkeys(again.violations))
    for case, digest in first.digests.items():
        if again.digests.get(case, digest) != digest:
            text = "other findings in another process, after other images"
            violations.append(Violation("the same scan gives the same findings", case, text))
    if violations:
        raise NotConforming(target, violations)
    return len(first.digests)


def _target(name: str | type) -> str:
    if isinstance(name, type):
        return f"{name.__module__}:{name.__qualname__}"
    if ":" in name:
        return name
    found = [point.value for point in entry_points(group=GROUP) if point.name == name]
    if not found:
        known = ", ".join(sorted(point.name for point in entry_points(group=GROUP)))
        raise LookupError(f"no analyzer is installed as {name!r}; there are {known}")
    return found[0]


class _Run:
    """What one process said."""

    def __init__(self) -> None:
        self.violations: list[Violation] = []
        self.digests: dict[str, str] = {}
        self.case = ""
        self.ended = False

    def receive(self, line: str) -> None:
        """A line of it, JSON."""
        message: dict[str, Any] = json.loads(line)
        match message.pop("is"):
            case "case":
                self.case = message["case"]
            case "digest":
                self.digests[self.case] = message["digest"]
            case "flaw":
                self.violations.append(Violation(message["rule"], message["case"], message["text"]))
            case _:
                self.ended = True


def _run(target: str, task: dict[str, Any], seconds: float) -> _Run:
    run = _Run()
    with (
        tempfile.TemporaryFile() as words,
        subprocess.Popen(
            [sys.executable, "-m", "fr_brain.analyzers.conformance.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=words,
            text=True,
        ) as process,
    ):
        assert process.stdin is not None  # noqa: S101 - for the type checker
        assert process.stdout is not None  # noqa: S101 - for the type checker
        lines: queue.Queue[str] = queue.Queue()
        reading = threading.Thread(target=_read, args=(process.stdout, lines), daemon=True)
        reading.start()
        try:
            json.dump({**task, "target": target, "path": sys.path}, process.stdin)
            process.stdin.close()
            in_time = _receive(run, lines, seconds)
        finally:
            if not run.ended and process.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(1)  # its exit code, if it ends by itself
            process.kill()
            reading.join()
        if in_time and not run.ended:
            words.seek(0)
            last = (words.read().decode(errors="replace").strip().splitlines() or ["no word"])[-1]
            text = f"its process ended, exit code {process.wait()}: {last}"
            run.violations.append(Violation("an analyzer goes on", run.case, text))
    return run


def _receive(run: _Run, lines: "queue.Queue[str]", seconds: float) -> bool:
    """Take what is said, to the end; False if an image took too long."""
    while True:
        limit = seconds if run.case else _START_S
        try:
            line = lines.get(timeout=limit)
        except queue.Empty:
            what = f"took longer than {limit:g} s" if run.case else "did not start"
            run.violations.append(Violation("time is bounded", run.case, what))
            return False
        if not line:
            return True
        run.receive(line)


def _read(out: IO[str], lines: "queue.Queue[str]") -> None:
    for line in out:
        lines.put(line)
    lines.put("")
