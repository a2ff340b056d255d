"""``make evaluate-with-t1``: read FLAIR scans together with T1 scans of the same head, and print a
table.

Exit code 1: a goal was missed.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from common.domain.findings import Findings
from common.domain.report import AnalyzerId, BrainReport
from common.domain.scan import BrainScan
from common.domain.with_t1 import WithT1
from fr_brain.analyzers.base import AnalysedScan, Analysis
from fr_brain.analyzers.volume.analyzer import VolumeAnalyzer
from fr_brain.label_maps import pack_maps
from tests.evaluation.follow_up import read_head
from tests.evaluation.realistic import anatomy
from tests.evaluation.realistic.head import Head
from tests.evaluation.realistic.pairs import Contrasts, make_contrasts
from tests.evaluation.realistic.rows import KINDS
from tests.label_maps import unpacked

SEEDS = {"soft 1 mm": 951_050, "MS 1 mm": 951_051, "old 1 mm": 951_052, "MS 5 mm": 951_053}
"""Kinds of FLAIR scans, with the seed of their pairs."""
PAIRS = 2
"""Pairs of a row."""
_FAMILY = "colin"
_LARGE_VOXELS = 60  # smaller lesions are mostly border
_DARK_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Read:
    """A pair that was read together, against its truth."""

    withheld: str | None
    overlap: float = 0.0
    error_mm: float = 0.0
    """Mean distance of the brain's points from their true place in the T1 scan."""
    intracranial_percent: float = 0.0
    """Difference of the two intracranial volumes, %."""
    doubted: bool = False
    errors: tuple[tuple[float, float], ...] = ()
    """Of grey matter, white matter with lesions, and fluid: error of the T1 report and of the
    corrected volume, % of the truth. The truth of both scans is one."""
    dark: tuple[float, ...] = ()
    """``not_white`` of lesions that are dark on T1, the larger ones."""
    light: tuple[float, ...] = ()
    """The same of lesions that look like white matter on T1."""


def read_pair(pair: Contrasts) -> Read:
    """Read the scans of a pair together."""
    (t1_scan, t1), (scan, analysis) = read_head(pair.t1, None), read_head(pair.flair, None)
    if t1.labels is None or analysis.labels is None or analysis.with_t1 is None:
        return Read("A scan cannot be read.")
    found = analysis.with_t1(as_stored(t1_scan, t1))
    if found.withheld is not None:
        return Read(found.withheld, found.overlap or 0.0)
    own = unpacked(pack_maps(analysis.labels(), scan), scan)["lesions"]
    dark, light = _shares(pair, found, own)
    return Read(
        None,
        found.overlap or 0.0,
        _error_mm(pair, np.array(found.to_t1)),
        found.intracranial_difference_percent or 0.0,
        found.doubt is not None,
        _errors(pair.t1, t1, found),
        dark,
        light,
    )


def as_stored(scan: BrainScan, analysis: Analysis) -> AnalysedScan:
    """An analysed scan as it is handed to another one's analysis."""
    if analysis.labels is None:
        raise ValueError("the scan cannot be read")
    made_by = AnalyzerId(name="volume", version=VolumeAnalyzer.version)
    report = BrainReport.of(scan, analysis.findings, made_by, run_time_ms=0)
    return AnalysedScan(scan, report, unpacked(pack_maps(analysis.labels(), scan), scan))


def _error_mm(pair: Contrasts, to_t1: npt.NDArray[np.float64]) -> float:
    points = pair.t1.landmarks.scan_mm
    back = np.linalg.inv(to_t1[:, :3])
    true = points @ pair.t1.to_first[:, :3].T + pair.t1.to_first[:, 3]
    moved = (points - to_t1[:, 3]) @ back.T
    return float(np.linalg.norm(moved - true, axis=1).mean())


def _errors(head: Head, analysis: Analysis, found: WithT1) -> tuple[tuple[float, float], ...]:
    truth, findings = head.true_ml, analysis.findings
    if not isinstance(findings, Findings) or findings.volumes is None or findings.lesions is None:
        return ()
    alone = findings.volumes
    white = (alone.white_matter_ml or 0) + (findings.lesions.volume_ml or 0)
    rows = (
        (truth["grey"], alone.grey_matter_ml, found.grey_matter_ml),
        (truth["white"] + truth["lesion"], white, found.white_matter_ml),
        (truth["csf"], alone.csf_ml, found.csf_ml),
    )
    return tuple(
        (100 * ((before or 0) / true - 1), 100 * ((after or 0) / true - 1))
        for true, before, after in rows
    )


def _shares(
    pair: Contrasts, found: WithT1, own: npt.NDArray[np.uint8]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    shares: dict[bool, list[float]] = {True: [], False: []}
    for lesion in found.lesions:
        inside = pair.flair.labels[own == lesion.id]
        numbers = np.unique(inside[inside > 0])
        dark = {pair.flair.numbers[n - 1] in pair.dark for n in numbers}
        if len(inside) >= _LARGE_VOXELS and len(dark) == 1:
            shares[dark.pop()].append(lesion.not_white)
    return tuple(shares[True]), tuple(shares[False])


def row_of(name: str, pairs: Sequence[Read]) -> tuple[str, bool]:
    """A row of the table, and whether corrected white matter is nearer to the truth."""
    read = [one for one in pairs if one.withheld is None]
    errors = np.array([one.errors for one in read if one.errors])
    dark = [share for one in read for share in one.dark]
    light = [share for one in read for share in one.light]
    means = np.abs(errors).mean(axis=0) if len(errors) else np.zeros((3, 2))
    cells = [
        name,
        str(len(pairs)),
        str(len(pairs) - len(read)),
        f"{np.mean([one.error_mm for one in read]):.2f}" if read else "",
        f"{min(one.overlap for one in read):.3f}" if read else "",
        ", ".join(f"{one.intracranial_percent:+.1f}" for one in read),
        *(f"{before:.1f} to {after:.1f}" for before, after in means),
        f"{sum(share >= _DARK_SHARE for share in dark)} of {len(dark)}",
        f"{sum(share >= _DARK_SHARE for share in light)} of {len(light)}",
    ]
    return f"| {' | '.join(cells)} |", bool(len(errors)) and means[1, 1] <= means[1, 0]


HEADER = (
    "| FLAIR | pairs | withheld | alignment, mm | least overlap | intracranial, % | grey, % | "
    "white with lesions, % | fluid, % | dark lesions at 0.5 | other lesions at 0.5 |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|"
)


def main(arguments: list[str] | None = None) -> int:
    """Evaluate the selected rows."""
    parser = argparse.ArgumentParser(prog="make evaluate-with-t1", description=__doc__)
    parser.add_argument("--pairs", type=int, default=PAIRS, help=f"pairs per row ({PAIRS})")
    parser.add_argument("--only", default="", help="rows whose names contain this")
    options = parser.parse_args(arguments)
    if not anatomy.available(_FAMILY):
        sys.stderr.write("the heads need Debian's package mricron-data: install it\n")
        return 2
    names = [name for name in SEEDS if options.only.lower() in name.lower()]
    everything: list[Read] = []
    sys.stdout.write(f"{HEADER}\n")
    for name in names:
        pairs = [
            read_pair(make_contrasts(_FAMILY, SEEDS[name], n, KINDS[name]))
            for n in range(options.pairs)
        ]
        everything += pairs
        sys.stdout.write(f"{row_of(name, pairs)[0]}\n")
    row, met = row_of("all", everything)
    sys.stdout.write(f"{row}\n")
    return int(not met)


if __name__ == "__main__":
    sys.exit(main())
