"""One process of ``conformance``: reads its task as JSON, says what it finds as lines of JSON."""

import hashlib
import importlib
import io
import json
import os
import resource
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from common.domain.findings import Findings
from common.domain.report import AnalyzerId, BrainReport
from common.domain.scan import BrainScan
from common.domain.types import hash_voxels, utc_now
from fr_brain.analyzers.conformance.cases import Case, cases

REPORT_BYTES_MAX = 150_000
"""As JSON: with its picture a report must fit a frame."""

_HARD_LIMIT_BYTES = 4 << 30
"""Memory that a wild analyzer gets before it is told that there is no more."""

_FORBIDDEN = ("open", "socket.", "subprocess.", "os.", "shutil.", "tempfile.", "urllib.", "http.",
              "ftplib.", "smtplib.", "glob.", "pathlib.", "sqlite3.", "mmap.", "ctypes.dlopen",
              "webbrowser.", "pty.", "fcntl.", "resource.setrlimit", "signal.")  # fmt: skip
_IMPORT_SYSTEM = ("<frozen importlib", "<frozen zipimport")


class ForbiddenAccess(Exception):
    """Raised into what an analyzer tried to do."""


class IoGuard:
    """Sees what goes through Python to the world outside, while ``on``."""

    def __init__(self) -> None:
        self.on = False
        self.seen: list[str] = []
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on or not event.startswith(_FORBIDDEN):
            return
        # A library that is imported when it is first needed is read from its files: no flaw.
        frame = sys._getframe()  # noqa: SLF001 - how else to know who asks
        while frame is not None:
            if frame.f_code.co_filename.startswith(_IMPORT_SYSTEM):
                return
            frame = frame.f_back  # type: ignore[assignment]
        what = f"{event} {arguments[0]!r}" if arguments else event
        self.seen.append(what[:200])
        raise ForbiddenAccess(f"an analyzer does no input or output: {what[:200]}")


class CaseRunner:
    """Runs one analyzer over the cases."""

    def __init__(self, task: dict[str, Any], out: Any) -> None:
        self._task = task
        self._out = out
        self._case = ""
        self._guard = IoGuard()

    def send(self, what: str, **fields: Any) -> None:
        """One line to the parent."""
        print(json.dumps({"is": what, **fields}), file=self._out, flush=True)

    def report_violation(self, rule: str, text: str) -> None:
        """Say that something is not as it must be."""
        self.send("flaw", rule=rule, case=self._case, text=text)

    def run(self) -> None:
        """Everything, in order."""
        analyzer = self._make()
        if analyzer is not None:
            todo = [case for kind in sorted(analyzer.scan_types) for case in cases(kind)]
            if self._task["reverse"]:
                todo.reverse()
            first = todo[len(todo) // 2]
            self._read(analyzer, first, silent=True)  # what is made once is not the image's
            for case in todo:
                self._check(analyzer, case)
        self.send("end")

    def _make(self) -> Any:
        module, _, name = self._task["target"].partition(":")
        try:
            made: Any = importlib.import_module(module)
            for part in name.split("."):
                made = getattr(made, part)
            analyzer = made()
            AnalyzerId(name=analyzer.name, version=analyzer.version)
            types = analyzer.scan_types
            if not isinstance(analyzer.priority, int) or isinstance(analyzer.priority, bool):
                raise TypeError("priority is no whole number")  # noqa: TRY301
            if not isinstance(types, frozenset) or not types:
                raise TypeError("scan_types is no frozenset with a type in it")  # noqa: TRY301
            for kind in types:
                next(cases(kind))  # a type that a scan can have
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the analyzer's
            self.report_violation(
                "it has a name, a version, types and a priority", _one_line(error)
            )
            return None
        return analyzer

    def _check(self, analyzer: Any, case: Case) -> None:
        self._case, scan, voxels = case
        self.send("case", case=self._case)
        before = _memory("VmRSS")
        _forget_peak()
        findings = self._read(analyzer, case)
        used = _memory("VmHWM") - before
        allowed = self._task["memory_mib"] * 2**20 + self._task["bytes_a_voxel"] * np.prod(
            scan.shape
        )
        if used > allowed:
            self.report_violation(
                "memory is bounded",
                f"took {used / 2**20:.0f} MiB, {allowed / 2**20:.0f} MiB are allowed",
            )
        if hash_voxels(voxels) != scan.voxels_hash:
            self.report_violation("the input stays as it was", "the voxels were changed")
            return
        if findings is None:
            return
        text = self._valid(analyzer, scan, findings)
        if text is None:
            return
        self.send("digest", digest=hashlib.sha256(text.encode()).hexdigest())
        again = self._read(analyzer, case)
        if again is not None and _as_text(again) != text:
            self.report_violation(
                "the same scan gives the same findings", "other findings the second time"
            )
        self._check_overlay(analyzer, case, findings)

    def _read(self, analyzer: Any, case: Case, *, silent: bool = False) -> Findings | None:
        """The findings; None where it raised something, which is said unless ``silent``."""
        _, scan, voxels = case
        array = scan.array(voxels)
        out, err = sys.stdout, sys.stderr
        sys.stdout = sys.stderr = printed = io.StringIO()
        self._guard.on, self._guard.seen = True, []
        found, raised = None, None
        try:
            found = analyzer.analyse(scan, array)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the analyzer's
            raised = error
        finally:
            self._guard.on = False
            sys.stdout, sys.stderr = out, err
        if silent:
            return None
        for what in dict.fromkeys(self._guard.seen):
            self.report_violation("no input, no output", what)
        if printed.getvalue():
            self.report_violation("no input, no output", f"printed {printed.getvalue()[:100]!r}")
        if raised is not None and not self._guard.seen:
            self.report_violation(
                "an image that cannot be judged is of quality 'fail'", _one_line(raised)
            )
        if raised is not None:
            return None
        if not isinstance(found, Findings):
            self.report_violation(
                "findings are whole", f"returned {type(found).__name__}, not Findings"
            )
            return None
        return found

    def _valid(self, analyzer: Any, scan: BrainScan, findings: Findings) -> str | None:
        try:
            text = _as_text(findings)
            # What was made without a check is checked here.
            Findings.model_validate(findings.model_dump())
            BrainReport(
                scan_id=scan.scan_id,
                pacs=scan.pacs,
                scan_type=scan.scan_type,
                voxels_hash=scan.voxels_hash,
                shape=scan.shape,
                voxel_size_mm=scan.voxel_size_mm,
                orientation=scan.orientation,
                analyzer=AnalyzerId(name=analyzer.name, version=analyzer.version),
                analysed_at=utc_now(),
                run_time_ms=0,
                findings=findings,
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the analyzer's
            self.report_violation("findings are whole", _one_line(error))
            return None
        if len(text) > REPORT_BYTES_MAX:
            words = f"{len(text)} bytes as JSON, {REPORT_BYTES_MAX} at most: list fewer lesions"
            self.report_violation("findings are whole", words)
        return text

    def _check_overlay(self, analyzer: Any, case: Case, findings: Findings) -> None:
        if not hasattr(analyzer, "overlay"):
            return
        _, scan, voxels = case
        try:
            labels = analyzer.overlay(scan, scan.array(voxels)).lesions
            count = int(np.count_nonzero(np.unique(labels)))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the analyzer's
            self.report_violation("the overlay shows the lesions", _one_line(error))
            return
        wanted = 0 if findings.lesions is None else findings.lesions.count
        if labels.shape != scan.shape or labels.dtype.kind not in "iu":
            words = f"{labels.dtype} of {labels.shape}, not integers of {scan.shape}"
            self.report_violation("the overlay shows the lesions", words)
        elif count != wanted:
            self.report_violation(
                "the overlay shows the lesions", f"{count} labels for {wanted} lesions"
            )


def _as_text(findings: Findings) -> str:
    return findings.model_dump_json()


def _one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


def _memory(field: str) -> int:
    """Bytes, of this process."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith(field))
    return int(line.split()[1]) * 1024


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _lines_out() -> Iterator[Any]:
    """Where lines go, out of an analyzer's reach: its own output goes nowhere."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as out:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        yield out


def main() -> None:
    """Do the task that comes on standard input."""
    task: dict[str, Any] = json.load(sys.stdin)
    sys.path[:] = task["path"]
    importlib.invalidate_caches()
    warnings.simplefilter("ignore")
    limit = _memory("VmSize") + _HARD_LIMIT_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    for out in _lines_out():
        CaseRunner(task, out).run()


if __name__ == "__main__":
    main()
