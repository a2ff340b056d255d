"""One process of the conformance checks: reads its task as JSON, answers in lines of JSON."""

import hashlib
import importlib
import io
import json
import os
import resource
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from common.domain.finding_kinds import MODELS, AnyFindings
from common.domain.label_maps import LABEL_MAPS_MAX
from common.domain.report import AnalyzerId, BrainReport
from common.domain.scan import BrainScan
from common.domain.types import hash_voxels
from fr_brain.analyzers.base import (
    Analysis,
    LabelMap,
    Overlay,
    OverlayAnalyzer,
    PlanesMap,
    SeparateOverlay,
)
from fr_brain.analyzers.conformance.cases import Case, cases
from fr_brain.analyzers.conformance.guard import IoGuard
from fr_brain.analyzers.label_checks import checked_map

REPORT_BYTES_MAX = 150_000
"""The most bytes of findings as JSON: with its picture a report must fit into a frame."""

_HARD_LIMIT_BYTES = 4 << 30
"""The address space that an analyzer may add before it gets a MemoryError."""

_OVERLAY_RULE = "the overlay shows the lesions"
_LABELS_RULE = "label maps fit the image"


class CaseRunner:
    """Runs one analyzer over the test images.

    Args:
        task: ``target`` (module:Class), ``memory_mib``, ``bytes_a_voxel``, ``reverse``.
        out: the stream to the parent.
    """

    def __init__(self, task: dict[str, Any], out: Any) -> None:
        self._task = task
        self._out = out
        self._case = ""
        self._guard = IoGuard()

    def send(self, what: str, **fields: Any) -> None:
        """Send one line to the parent."""
        print(json.dumps({"is": what, **fields}), file=self._out, flush=True)

    def report_violation(self, rule: str, text: str) -> None:
        """Tell the parent that the analyzer breaks a rule."""
        self.send("violation", rule=rule, case=self._case, text=text)

    def run(self) -> None:
        """Create the analyzer and run it over all images."""
        analyzer = self._make()
        if analyzer is not None:
            todo = [case for kind in sorted(analyzer.scan_types) for case in cases(kind)]
            if self._task["reverse"]:
                todo.reverse()
            # One run first, so that what an analyzer sets up once does not count as an image's.
            self._read(analyzer, todo[len(todo) // 2], silent=True)
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
                raise TypeError("priority is not a whole number")  # noqa: TRY301
            if not isinstance(types, frozenset) or not types:
                raise TypeError("scan_types is not a non-empty frozenset")  # noqa: TRY301
            for kind in types:
                next(cases(kind))  # raises for a type that no scan can have
        except Exception as error:  # noqa: BLE001 - any error here is the analyzer's
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
        self._check_memory(scan, _memory("VmHWM") - before)
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
        if isinstance(analyzer, OverlayAnalyzer):
            self._check_labels(analyzer, case)

    def _check_memory(self, scan: BrainScan, used: int) -> None:
        allowed = self._task["memory_mib"] * 2**20 + self._task["bytes_a_voxel"] * np.prod(
            scan.shape
        )
        if used > allowed:
            self.report_violation(
                "memory is bounded",
                f"took {used / 2**20:.0f} MiB, {allowed / 2**20:.0f} MiB are allowed",
            )

    def _read(self, analyzer: Any, case: Case, *, silent: bool = False) -> AnyFindings | None:
        """The findings of a case; None if the analyzer failed, which is reported unless
        ``silent``."""
        _, scan, voxels = case
        array = scan.array(voxels)
        found, raised = self._guarded(lambda: analyzer.analyse(scan, array), silent=silent)
        if silent:
            return None
        if raised is not None:
            if not self._guard.seen:
                self.report_violation(
                    "an image that cannot be analysed is of quality 'fail'", _one_line(raised)
                )
            return None
        if isinstance(found, MODELS):
            return found
        self.report_violation(
            "findings are whole", f"returned {type(found).__name__}, not Findings"
        )
        return None

    def _guarded(
        self, call: Callable[[], Any], *, silent: bool = False
    ) -> tuple[Any, Exception | None]:
        """The result of a call, or the exception that it raised; input and output are reported."""
        out, err = sys.stdout, sys.stderr
        sys.stdout = sys.stderr = printed = io.StringIO()
        self._guard.on, self._guard.seen = True, []
        result, raised = None, None
        try:
            result = call()
        except Exception as error:  # noqa: BLE001 - any error here is the analyzer's
            raised = error
        finally:
            self._guard.on = False
            sys.stdout, sys.stderr = out, err
        if not silent:
            for what in dict.fromkeys(self._guard.seen):
                self.report_violation("no input, no output", what)
            if printed.getvalue():
                self.report_violation(
                    "no input, no output", f"printed {printed.getvalue()[:100]!r}"
                )
        return result, raised

    def _valid(self, analyzer: Any, scan: BrainScan, findings: AnyFindings) -> str | None:
        try:
            text = _as_text(findings)
            # Findings that were made without validation are validated here.
            type(findings).model_validate(findings.model_dump())
            made_by = AnalyzerId(name=analyzer.name, version=analyzer.version)
            BrainReport.of(scan, findings, made_by, run_time_ms=0)
        except Exception as error:  # noqa: BLE001 - any error here is the analyzer's
            self.report_violation("findings are whole", _one_line(error))
            return None
        if len(text) > REPORT_BYTES_MAX:
            words = f"{len(text)} bytes as JSON, {REPORT_BYTES_MAX} at most: list fewer lesions"
            self.report_violation("findings are whole", words)
        return text

    def _check_overlay(self, analyzer: Any, case: Case, findings: AnyFindings) -> None:
        """Check each of the optional overlay methods that the analyzer has."""
        _, scan, voxels = case
        array = scan.array(voxels)
        makers: list[Callable[[], Overlay | None]] = []
        if isinstance(analyzer, OverlayAnalyzer):
            makers.append(lambda: _paired_overlay(analyzer, scan, array, findings))
        if isinstance(analyzer, SeparateOverlay):
            makers.append(lambda: analyzer.overlay(scan, array))
        for maker in makers:
            overlay, raised = self._guarded(maker)
            if raised is not None:
                self.report_violation(_OVERLAY_RULE, _one_line(raised))
            elif overlay is not None:
                for text in _overlay_faults(overlay, scan, findings):
                    self.report_violation(_OVERLAY_RULE, text)
        if hash_voxels(voxels) != scan.voxels_hash:
            self.report_violation("the input stays as it was", "the voxels were changed")

    def _check_labels(self, analyzer: OverlayAnalyzer, case: Case) -> None:
        """Check the label maps, if it makes any, with the memory that they take."""
        _, scan, voxels = case
        array = scan.array(voxels)
        before = _memory("VmRSS")
        _forget_peak()

        def digest() -> str | None:
            labels = analyzer.analyse_with_overlay(scan, array).labels
            return None if labels is None else _label_digest(labels(), scan)

        found, raised = self._guarded(digest)
        if raised is not None:
            self.report_violation(_LABELS_RULE, _one_line(raised))
        elif found is not None:
            self._check_memory(scan, _memory("VmHWM") - before)
            self.send("labels", digest=found)
        if hash_voxels(voxels) != scan.voxels_hash:
            self.report_violation("the input stays as it was", "the voxels were changed")


def _label_digest(maps: Iterable[LabelMap | PlanesMap], scan: BrainScan) -> str:
    """The hash of label maps that keep the rules."""
    hashed, names = hashlib.sha256(), set()
    for one in maps:
        checked = checked_map(one, scan)
        described = checked.described
        if described.name in names:
            raise ValueError(f"two label maps {described.name!r}")
        names.add(described.name)
        if len(names) > LABEL_MAPS_MAX:
            raise ValueError(f"more than {LABEL_MAPS_MAX} label maps")
        hashed.update(described.model_dump_json().encode())
        if checked.layout is not None:
            hashed.update(checked.layout.model_dump_json().encode())
        hashed.update(checked.labels.data)
    return hashed.hexdigest()


def _paired_overlay(
    analyzer: OverlayAnalyzer, scan: BrainScan, voxels: Any, findings: AnyFindings
) -> Overlay | None:
    analysis = analyzer.analyse_with_overlay(scan, voxels)
    if not isinstance(analysis, Analysis):
        raise TypeError(f"analyse_with_overlay returned {type(analysis).__name__}, not Analysis")
    if _as_text(analysis.findings) != _as_text(findings):
        raise ValueError("analyse_with_overlay has other findings than analyse")
    return None if analysis.overlay is None else analysis.overlay()


def _overlay_faults(overlay: Any, scan: BrainScan, findings: AnyFindings) -> Iterator[str]:
    """How an overlay disagrees with the scan's shape or with the findings."""
    if not isinstance(overlay, Overlay):
        yield f"{type(overlay).__name__} instead of an Overlay"
        return
    labels, brain = overlay.lesions, overlay.brain
    if labels.shape != scan.shape or labels.dtype.kind not in "iu":
        yield f"{labels.dtype} of {labels.shape}, not integers of {scan.shape}"
        return
    if brain is not None and (brain.shape != scan.shape or brain.dtype.kind != "b"):
        yield f"a brain that is {brain.dtype} of {brain.shape}, not booleans of {scan.shape}"
    lesions = findings.lesions
    ids, voxels = np.unique(labels[labels != 0], return_counts=True)
    wanted = 0 if lesions is None else lesions.count
    if len(ids) != wanted:
        yield f"{len(ids)} labels for {wanted} lesions"
        return
    sizes = dict(zip(ids.tolist(), voxels.tolist(), strict=True))
    for lesion in () if lesions is None else lesions.largest:
        labelled = sizes.get(lesion.id, 0)
        if labelled != lesion.voxels:
            yield f"lesion {lesion.id} has {lesion.voxels} voxels, its label {labelled}"
            return


def _as_text(findings: AnyFindings) -> str:
    return findings.model_dump_json()


def _one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


def _memory(field: str) -> int:
    """A field of this process's /proc status, in bytes."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith(field))
    return int(line.split()[1]) * 1024


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _stream_to_parent() -> Iterator[Any]:
    """A copy of standard output; the original then goes nowhere, so that an analyzer that writes
    to it cannot disturb the lines of JSON."""
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
    for out in _stream_to_parent():
        CaseRunner(task, out).run()


if __name__ == "__main__":
    main()
