"""A report says what changed since the previous scan, or why the two are not compared."""

from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest

from common.domain.findings import Findings
from common.domain.follow_up import FollowUp, LesionChange
from common.domain.scan import BrainScan
from fr_brain.analyzers.base import Analysis, EarlierScan, PlanesMap
from fr_brain.analyzers.label_checks import checked_map
from fr_brain.analyzers.volume.analyzer import VolumeAnalyzer
from fr_brain.analyzers.volume.follow_up.read_heads import MAPS_COMPARED
from fr_brain.label_maps import pack_maps
from fr_pacs.sources.phantom.source import Recipe, make_phantom
from tests.factories import make_report
from tests.fr_brain.analyzers.volume.follow_up.heads import TURNED
from tests.fr_brain.analyzers.volume.heads import SEED, scan_of
from tests.label_maps import unpacked

SHAPE = (120, 136, 112)
BEFORE, NOW = datetime(2025, 3, 1, 9, tzinfo=UTC), datetime(2026, 3, 1, 9, tzinfo=UTC)


@cache
def phantom() -> tuple[npt.NDArray[Any], npt.NDArray[np.float64], npt.NDArray[np.uint8]]:
    """Voxels, affine, and the lesions' labels."""
    made = make_phantom(SEED, 3, SHAPE, Recipe(healthy_chance=0))
    return made.voxels, np.array(made.affine)[:3], made.truth.labels


def without(number: int) -> npt.NDArray[Any]:
    """The phantom without a lesion: there, its surroundings."""
    voxels, _, labels = phantom()
    healed = voxels.copy(order="F")
    where = np.argwhere(labels == number)
    low, high = where.min(axis=0) - 3, where.max(axis=0) + 4
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    near = labels[box] == number
    for _ in range(2):
        for axis in range(3):
            near |= np.roll(near, 1, axis) | np.roll(near, -1, axis)
    ring = voxels[box][(labels[box] == 0) & ~near]
    healed[box][near] = np.random.default_rng(1).choice(ring, np.count_nonzero(near))
    return healed


def read(
    voxels: npt.NDArray[Any], affine: npt.NDArray[np.float64], at: datetime
) -> tuple[BrainScan, Analysis]:
    scan, array = scan_of(voxels, affine)
    scan = scan.model_copy(update={"acquired_at": at})
    return scan, VolumeAnalyzer().analyse_with_overlay(scan, array)


def earlier_of(scan: BrainScan, analysis: Analysis) -> EarlierScan:
    """The scan as it is stored."""
    assert analysis.labels is not None
    maps = unpacked(pack_maps(analysis.labels(), scan), scan)
    return EarlierScan(scan, make_report(scan, findings=analysis.findings), maps)


@cache
def scans() -> tuple[EarlierScan, EarlierScan, Analysis, BrainScan]:
    """An earlier scan with all lesions and one without the largest; then a later scan of the head,
    which lies otherwise in it."""
    voxels, affine, _ = phantom()
    whole = earlier_of(*read(voxels, affine, BEFORE))
    healed = earlier_of(*read(without(1), affine, BEFORE))
    back = np.linalg.inv(np.vstack([TURNED, [0, 0, 0, 1]]))
    turned = (back @ np.vstack([affine, [0, 0, 0, 1]]))[:3]
    noise = np.random.default_rng(2).normal(0, 0.01 * float(voxels.max()), voxels.shape)
    noisy = np.asfortranarray(np.clip(voxels + noise, 0, None).astype(voxels.dtype))
    scan, analysis = read(noisy, turned, NOW)
    return whole, healed, analysis, scan


def compared(earlier: EarlierScan) -> FollowUp:
    follow_up = scans()[2].follow_up
    assert follow_up is not None
    return follow_up(earlier)


def test_an_unchanged_head_has_only_stable_lesions() -> None:
    whole, _, analysis, _ = scans()
    found = compared(whole)
    assert found.withheld is None
    lesions = cast(Findings, analysis.findings).lesions
    assert lesions is not None
    assert (found.new, found.grown, found.shrunk, found.gone) == (0, 0, 0, 0)
    assert found.stable == pytest.approx(lesions.count, abs=1)
    assert (found.days, found.previous_scan, found.previous_revision) == (365, "volume-1", 1)
    assert found.previous_acquired_at == BEFORE
    assert found.brain_change_percent == pytest.approx(0, abs=0.3)
    assert found.overlap is not None
    assert found.overlap > 0.97
    np.testing.assert_allclose(np.array(found.to_previous), TURNED, atol=0.3)


def test_a_lesion_that_was_not_there_before_is_new() -> None:
    found = compared(scans()[1])
    assert (found.new, found.gone) == (1, 0)
    [new] = [one for one in found.lesions if one.change is LesionChange.NEW and not one.doubtful]
    labels, affine = phantom()[2], phantom()[1]
    centre = affine[:, :3] @ np.argwhere(labels == 1).mean(axis=0) + affine[:, 3]
    there = TURNED[:, :3] @ np.array(new.centroid_mm) + TURNED[:, 3]
    np.testing.assert_allclose(there, centre, atol=2)
    assert found.new_ml == new.volume_ml


@pytest.mark.parametrize("missing", [*MAPS_COMPARED])
def test_without_label_maps_the_scans_are_not_compared(missing: str) -> None:
    whole = scans()[0]
    left = {name: array for name, array in whole.maps.items() if name != missing}
    found = compared(replace(whole, maps=left))
    assert (
        found.withheld
        == "The label maps of the previous scan are damaged, or not stored (BRAIN_LABEL_MAPS)."
    )
    assert (found.new, found.lesions, found.days) == (None, (), 365)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("registration", None, "The head was not found in MNI space in the previous scan."),
        (
            "lesions",
            {"volume_ml": None},
            "The report of the previous scan does not give the volume",
        ),
    ],
)
def test_what_a_report_withholds_is_not_compared(field: str, value: Any, reason: str) -> None:
    whole = scans()[0]
    findings = cast(Findings, whole.report.findings)
    if isinstance(value, dict):
        value = getattr(findings, field).model_copy(update=value)
    report = whole.report.model_copy(
        update={"findings": findings.model_copy(update={field: value})}
    )
    assert (compared(replace(whole, report=report)).withheld or "").startswith(reason)


def test_the_maps_that_are_compared_are_made() -> None:
    scan, analysis = scans()[3], scans()[2]
    assert analysis.labels is not None
    made = {one.name: one for one in analysis.labels()}
    assert set(analysis.compares) == set(MAPS_COMPARED) <= made.keys()
    assert all(isinstance(one, PlanesMap) and checked_map(one, scan) for one in made.values())
