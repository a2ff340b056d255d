"""``make evaluate-follow-up``: compare pairs of scans of one head, and print a table.

Exit code 1: a goal was missed.
"""

import argparse
import multiprocessing
import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from common.domain.follow_up import ChangedLesion, FollowUp, LesionChange
from common.domain.report import AnalyzerId, BrainReport
from common.domain.scan import BrainScan
from common.domain.types import hash_voxels
from fr_brain.analyzers.base import Analysis, EarlierScan
from fr_brain.analyzers.volume.analyzer import VolumeAnalyzer
from fr_brain.label_maps import pack_maps
from tests.evaluation.realistic import anatomy
from tests.evaluation.realistic.head import Head
from tests.evaluation.realistic.pairs import Pair, make_pair
from tests.evaluation.realistic.rows import KINDS
from tests.label_maps import unpacked

SEEDS = {"soft 1 mm": 951_020, "MS 1 mm": 951_021, "old 1 mm": 951_022, "MS 5 mm": 951_023}
"""Kinds of heads, with the seed of their pairs."""
PAIRS = 6
"""Pairs of a row; in every other one nothing changes."""
FALSE_MAX = 0.3
"""Goal: false changes in a pair."""
FOUND_MIN = 0.8
"""Goal: share of new lesions that are found."""
SEEN_VOXELS = 60
"""New lesions of fewer voxels are not expected to be told from missed ones."""
BRAIN_ERROR_MAX = 0.5
"""Goal: error of the change of the brain's volume, %; the truth is 0."""

_NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)
_YEAR = timedelta(days=365)
_FAMILY = "colin"


@dataclass(frozen=True, slots=True)
class Compared:
    """A pair of scans, compared with its truth."""

    withheld: str | None
    error_mm: float = 0.0
    """Mean distance of the brain's points from their true place in the earlier scan."""
    brain_percent: float = 0.0
    counts: Mapping[str, int] = field(default_factory=dict)
    """``new`` and ``new found``, ``gone`` and ``gone found``, ``changed`` (grown or shrunk) and
    ``changed found``, and ``false``: changes that did not happen."""
    doubtful: int = 0


def evaluate_pair(kind: str, index: int) -> Compared:
    """Make pair ``index`` of a kind, compare its scans, and check the result against the truth."""
    pair = make_pair(_FAMILY, SEEDS[kind], index, KINDS[kind], changing=bool(index % 2))
    (before, earlier), (scan, analysis) = (
        read_head(pair.first, _NOW - _YEAR),
        read_head(pair.second, _NOW),
    )
    if earlier.labels is None or analysis.labels is None or analysis.follow_up is None:
        return Compared("A scan cannot be read.")
    maps = unpacked(pack_maps(earlier.labels(), before), before)
    made_by = AnalyzerId(name="volume", version=VolumeAnalyzer.version)
    report = BrainReport.of(before, earlier.findings, made_by, run_time_ms=0)
    found = analysis.follow_up(EarlierScan(before, report, maps))
    if found.withheld is not None:
        return Compared(found.withheld)
    own = unpacked(pack_maps(analysis.labels(), scan), scan)["lesions"]
    counts = _judged(pair, found, own, maps["lesions"])
    error = _error_mm(pair.second, np.array(found.to_previous))
    return Compared(None, error, found.brain_change_percent or 0.0, counts, found.doubtful or 0)


def read_head(head: Head, at: datetime | None) -> tuple[BrainScan, Analysis]:
    """The header and the analysis of a head that was scanned at a time, if that is known."""
    scan = BrainScan(
        scan_id="evaluation",
        pacs="evaluation",
        scan_type="volume",
        acquired_at=at,
        shape=head.voxels.shape,
        dtype=cast(Any, head.voxels.dtype.name),
        voxels_bytes=head.voxels.nbytes,
        voxels_hash=hash_voxels(b""),
        affine=head.affine,
    )
    return scan, VolumeAnalyzer().analyse_with_overlay(scan, head.voxels)


def _error_mm(head: Head, to_previous: npt.NDArray[np.float64]) -> float:
    points = head.landmarks.scan_mm
    moved, true = (
        points @ affine[:, :3].T + affine[:, 3] for affine in (to_previous, head.to_first)
    )
    return float(np.linalg.norm(moved - true, axis=1).mean())


def _judged(
    pair: Pair, found: FollowUp, now: npt.NDArray[np.uint8], before: npt.NDArray[np.uint8]
) -> Counter[str]:
    counts: Counter[str] = Counter()
    told: dict[LesionChange, set[int]] = {change: set() for change in LesionChange}
    for lesion in found.lesions:
        if lesion.doubtful:
            continue
        numbers = _numbers(lesion, pair, now, before)
        told[lesion.change] |= numbers
        truths = {pair.changes[number] for number in numbers}
        # What grew or shrank may be seen in one scan alone.
        changed = truths - {"stable"}
        counts["false"] += not changed
    sizes = [_sizes(head) for head in (pair.first, pair.second)]
    for number, change in pair.changes.items():
        then, later = (own.get(number, 0) for own in sizes)
        if change in ("new", "gone") and max(then, later) >= SEEN_VOXELS:
            counts[change] += 1
            counts[f"{change} found"] += number in told[LesionChange(change)]
        elif change in ("grown", "shrunk") and min(then, later) >= SEEN_VOXELS:
            counts["changed"] += 1
            counts["changed found"] += number in told[LesionChange(change)]
    return counts


def _numbers(
    lesion: ChangedLesion,
    pair: Pair,
    now: npt.NDArray[np.uint8],
    before: npt.NDArray[np.uint8],
) -> set[int]:
    """The painted lesions that a lesion of the report touches, in either scan."""
    numbers: set[int] = set()
    sides = ((pair.second, now, lesion.ids), (pair.first, before, lesion.previous_ids))
    for head, labels, ids in sides:
        inside = np.unique(head.labels[np.isin(labels, ids)]) if ids else ()
        numbers |= {head.numbers[n - 1] for n in inside if n}
    return numbers


def _sizes(head: Head) -> dict[int, int]:
    """Voxels of each painted lesion that fills some."""
    counts = np.bincount(head.labels.ravel(order="K"), minlength=len(head.numbers) + 1)
    return {number: int(counts[n]) for n, number in enumerate(head.numbers, 1)}


def row_of(name: str, pairs: Sequence[Compared]) -> tuple[str, bool]:
    """A row of the table, and whether it meets the goals."""
    compared = [one for one in pairs if one.withheld is None]
    total: Counter[str] = Counter()
    for one in compared:
        total.update(one.counts)
    false = total["false"] / max(1, len(compared))
    brain = float(np.std([one.brain_percent for one in compared])) if compared else 0.0
    errors = [one.error_mm for one in compared]
    met = (
        bool(compared)
        and false <= FALSE_MAX
        and total["new found"] >= FOUND_MIN * total["new"]
        and brain <= BRAIN_ERROR_MAX
    )
    cells = [
        name,
        str(len(pairs)),
        str(len(pairs) - len(compared)),
        f"{np.median(errors):.2f} ({max(errors):.2f})" if errors else "",
        *(f"{total[f'{what} found']} of {total[what]}" for what in ("new", "gone", "changed")),
        f"{false:.2f}",
        f"{sum(one.doubtful for one in compared) / max(1, len(compared)):.1f}",
        f"{brain:.2f}",
        "" if met else "missed",
    ]
    return f"| {' | '.join(cells)} |", met


HEADER = (
    "| row | pairs | not compared | alignment, mm (worst) | new found | gone found | "
    "changed found | false per pair | doubtful per pair | brain volume, sd % | goals |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|"
)


def main(arguments: list[str] | None = None) -> int:
    """Evaluate the selected rows."""
    parser = argparse.ArgumentParser(prog="make evaluate-follow-up", description=__doc__)
    parser.add_argument("--pairs", type=int, default=PAIRS, help=f"pairs per row ({PAIRS})")
    parser.add_argument("--only", default="", help="rows whose names contain this")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    options = parser.parse_args(arguments)
    if not anatomy.available(_FAMILY):
        sys.stderr.write("the heads need Debian's package mricron-data: install it\n")
        return 2
    names = [name for name in SEEDS if options.only.lower() in name.lower()]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.jobs, mp_context=context) as pool:
        futures = {
            name: [pool.submit(evaluate_pair, name, n) for n in range(options.pairs)]
            for name in names
        }
        results = {name: [one.result() for one in these] for name, these in futures.items()}
    rows = [row_of(name, pairs) for name, pairs in results.items()]
    everything = [one for pairs in results.values() for one in pairs]
    rows.append(row_of("all", everything))
    sys.stdout.write("\n".join([HEADER, *(row for row, _ in rows)]) + "\n")
    for reason in sorted({one.withheld for one in everything if one.withheld}):
        sys.stdout.write(f"not compared: {reason}\n")
    return int(not rows[-1][1])


if __name__ == "__main__":
    sys.exit(main())
