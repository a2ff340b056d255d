"""A scan that is being read, and the same one as it is stored, are the same labelled head."""

from typing import cast

import numpy as np

from common.domain.findings import Findings
from fr_brain.analyzers.volume.analyzer import VolumeAnalyzer
from fr_brain.analyzers.volume.follow_up.read_heads import (
    head_now,
    rounded,
    start_by_mni,
    stored_head,
)
from fr_brain.analyzers.volume.segment import segment
from fr_pacs.sources.phantom.source import Recipe, make_phantom
from tests.evaluation.with_t1 import as_stored
from tests.fr_brain.analyzers.volume.follow_up.heads import TURNED
from tests.fr_brain.analyzers.volume.heads import SEED, scan_of


def test_a_head_that_is_read_is_the_one_that_is_stored() -> None:
    made = make_phantom(SEED, 3, (96, 108, 90), Recipe(healthy_chance=0))
    scan, array = scan_of(made.voxels, np.array(made.affine)[:3])
    analysis = VolumeAnalyzer().analyse_with_overlay(scan, array)
    findings = cast(Findings, analysis.findings)
    now, stored = head_now(segment(scan, array), scan, findings), stored_head(
        as_stored(scan, analysis)
    )
    np.testing.assert_array_equal(now.lesions, stored.lesions)
    np.testing.assert_array_equal(now.tissues, stored.tissues)
    np.testing.assert_array_equal(now.affine, stored.affine)
    assert (now.filled, now.listed_ml) == (stored.filled, stored.listed_ml)
    start = start_by_mni(findings, findings)
    assert start is not None
    np.testing.assert_allclose(start, np.eye(3, 4), atol=1e-9)


def test_without_a_place_in_mni_space_there_is_no_start() -> None:
    made = make_phantom(SEED, 3, (96, 108, 90), Recipe(healthy_chance=0))
    scan, array = scan_of(made.voxels, np.array(made.affine)[:3])
    findings = VolumeAnalyzer().analyse(scan, array)
    lost = findings.model_copy(update={"registration": None})
    assert start_by_mni(findings, lost) is None
    assert start_by_mni(lost, findings) is None


def test_a_transform_is_rounded_finely() -> None:
    points = np.array([[-90, -120, -80], [90, 90, 110.0]])
    exact, coarse = (points @ a[:, :3].T + a[:, 3] for a in (TURNED, np.array(rounded(TURNED))))
    assert np.abs(exact - coarse).max() < 0.005
