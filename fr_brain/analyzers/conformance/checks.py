"""Checks that an analyzer keeps the rules, for a test in its author's package:

    from fr_brain.analyzers.conformance import check_analyzer

    def test_it_is_an_analyzer() -> None:
        check_analyzer("my_package:Dark")

or ``python -m fr_brain.analyzers.conformance NAME`` (an entry point, or module:Class).

The analyzer runs in its own processes over images of every type and orientation, and over empty,
constant and broken ones. It must not raise; its findings must be valid and the same each time, also
in another process and another order; its overlay, if it offers one, must agree with its findings;
its label maps, if it makes any, must fit the image and have a meaning for each label; it must not
change its input, open a file or socket, start a process or print (an audit hook sees what goes
through Python, not what a library in another language does); and it must keep within the given time
and memory.

The modules of this package are not analyzers: they start processes and read the clock.
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
    """A rule that an analyzer breaks, and the image on which it does."""

    rule: str
    case: str
    text: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.text}" + (f" [{self.case}]" if self.case else "")


class NotConforming(AssertionError):
    """An analyzer breaks rules; the text lists them."""

    def __init__(self, name: str, violations: list[Violation]) -> None:
        listed = "\n".join(f"  - {violation}" for violation in violations)
        super().__init__(f"{name} breaks the rules for analyzers:\n{listed}")
        self.violations = violations


def check_analyzer(
    name: str | type,
    *,
    seconds: float = SECONDS,
    memory_mib: float = MEMORY_MIB,
    bytes_a_voxel: float = BYTES_A_VOXEL,
) -> int:
    """Check one analyzer.

    Args:
        name: an entry point of the group ``fr_brain.analyzers``, ``module:Class``, or the class.
        seconds: the time limit for one image.
        memory_mib: the memory that one analysis may take whatever the image's size, in MiB, ...
        bytes_a_voxel: ... and in addition for each voxel, in bytes, besides the image itself.

    Returns:
        The number of images that it read.

    Raises:
        NotConforming: the analyzer breaks rules.
        LookupError: no entry point has this name.
    """
    target = _target(name)
    limits = {"memory_mib": memory_mib, "bytes_a_voxel": bytes_a_voxel}
    first = _run(target, {**limits, "reverse": False}, seconds)
    if first.violations:
        raise NotConforming(target, list(dict.fromkeys(first.violations)))
    again = _run(target, {**limits, "reverse": True}, seconds)
    violations = list(dict.fromkeys(again.violations))
    for what, found, other in (
        ("findings", first.digests, again.digests),
        ("label maps", first.label_digests, again.label_digests),
    ):
        for case, digest in found.items():
            if other.get(case, digest) != digest:
                text = f"other {what} in another process, after other images"
                violations.append(Violation(f"the same scan gives the same {what}", case, text))
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
        raise LookupError(f"no analyzer {name!r} is installed; installed: {known}")
    return found[0]


class _Run:
    """What one process reported."""

    def __init__(self) -> None:
        self.violations: list[Violation] = []
        self.digests: dict[str, str] = {}
        self.label_digests: dict[str, str] = {}
        self.case = ""
        self.ended = False

    def receive(self, line: str) -> None:
        """Take one of its lines of JSON."""
        message: dict[str, Any] = json.loads(line)
        match message.pop("is"):
            case "case":
                self.case = message["case"]
            case "digest":
                self.digests[self.case] = message["digest"]
            case "labels":
                self.label_digests[self.case] = message["digest"]
            case "violation":
                self.violations.append(Violation(**message))
            case _:
                self.ended = True


def _run(target: str, task: dict[str, Any], seconds: float) -> _Run:
    run = _Run()
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            [sys.executable, "-m", "fr_brain.analyzers.conformance.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
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
                    process.wait(1)  # if it is ending, its exit code explains why
            process.kill()
            reading.join()
        if in_time and not run.ended:
            errors.seek(0)
            output = errors.read().decode(errors="replace").strip().splitlines()
            last = output[-1] if output else "no error output"
            text = f"its process ended with exit code {process.wait()}: {last}"
            run.violations.append(Violation("an analyzer survives every image", run.case, text))
    return run


def _receive(run: _Run, lines: "queue.Queue[str]", seconds: float) -> bool:
    """Receive lines until the process ends; False if an image took too long."""
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
