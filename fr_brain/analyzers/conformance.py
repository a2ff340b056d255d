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

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any

from fr_brain.analyzers.registry import GROUP

SECONDS = 30.0
MEMORY_MIB = 64.0
BYTES_A_VOXEL = 64.0
_START_S = 60.0


@dataclass(frozen=True)
class Flaw:
    """Something that an analyzer must not do."""

    rule: str
    case: str
    text: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.text}" + (f" [{self.case}]" if self.case else "")


class NotConforming(AssertionError):
    """An analyzer has flaws; the text lists them."""

    def __init__(self, name: str, flaws: list[Flaw]) -> None:
        super().__init__(f"{name} is no analyzer yet:\n" + "\n".join(f"  - {f}" for f in flaws))
        self.flaws = flaws


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
    again = _run(target, {**limits, "reverse": True}, seconds)
    flaws = list(dict.fromkeys([*first.flaws, *again.flaws]))
    for case, digest in first.digests.items():
        if again.digests.get(case, digest) != digest:
            text = "other findings in another process, after other images"
            flaws.append(Flaw("the same scan gives the same findings", case, text))
    if flaws:
        raise NotConforming(target, flaws)
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
        self.flaws: list[Flaw] = []
        self.digests: dict[str, str] = {}
        self.case = ""
        self.ended = False

    def take(self, line: str) -> None:
        """A line of it, JSON."""
        said: dict[str, Any] = json.loads(line)
        match said.pop("is"):
            case "case":
                self.case = said["case"]
            case "digest":
                self.digests[self.case] = said["digest"]
            case "flaw":
                self.flaws.append(Flaw(said["rule"], said["case"], said["text"]))
            case _:
                self.ended = True


def _run(target: str, task: dict[str, Any], seconds: float) -> _Run:
    run = _Run()
    process = subprocess.Popen(
        [sys.executable, "-m", "fr_brain.analyzers.conformance_child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdin is not None  # noqa: S101 - for the type checker
        json.dump({**task, "target": target, "path": sys.path}, process.stdin)
        process.stdin.close()
        next_line = _lines(process)
        while True:
            limit = seconds if run.case else _START_S
            line = next_line(limit)
            if line is None:
                words = f"took longer than {limit:g} s" if run.case else "did not start"
                run.flaws.append(Flaw("time is bounded", run.case, words))
                return run
            if not line:
                break
            run.take(line)
    finally:
        process.kill()
        process.wait()
    if not run.ended:
        assert process.stderr is not None  # noqa: S101 - for the type checker
        last = (process.stderr.read().strip().splitlines() or ["without a word"])[-1]
        text = f"its process ended, exit code {process.returncode}: {last}"
        run.flaws.append(Flaw("an analyzer goes on", run.case, text))
    return run


def _lines(process: subprocess.Popen[str]) -> Callable[[float], str | None]:
    """A function that waits for the next line: '' at the end, None when none came in time."""
    lines: queue.Queue[str] = queue.Queue()
    out = process.stdout
    assert out is not None  # noqa: S101 - for the type checker

    def read() -> None:
        for line in _until_closed(out):
            lines.put(line)
        lines.put("")

    threading.Thread(target=read, daemon=True).start()

    def wait(timeout_s: float) -> str | None:
        try:
            return lines.get(timeout=timeout_s)
        except queue.Empty:
            return None

    return wait


def _until_closed(out: Any) -> Iterator[str]:
    try:
        yield from out
    except ValueError:  # closed by us while it was read
        return


def main() -> int:
    """Check the analyzers that the command line names; all that are installed if none."""
    names = sys.argv[1:] or sorted(point.name for point in entry_points(group=GROUP))
    failed = 0
    for name in names:
        try:
            count = check_analyzer(name)
        except NotConforming as error:
            failed = 1
            print(error, file=sys.stderr)  # noqa: T201
        except LookupError as error:
            print(error.args[0], file=sys.stderr)  # noqa: T201
            return 2
        else:
            print(f"{name}: {count} images read, no flaw")  # noqa: T201
    return failed


if __name__ == "__main__":
    sys.exit(main())
