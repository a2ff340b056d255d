"""A finding is the surer to be a lesion, the more it differs from what healthy tissue does."""

from dataclasses import replace

import numpy as np
import pytest

from fr_brain.analyzers.volume.confidence import Evidence, confidence_of, evidence_of, measured
from fr_brain.analyzers.volume.image import Bools
from fr_brain.analyzers.volume.segment import segment
from fr_pacs.sources.phantom.source import make_phantom
from tests.fr_brain.analyzers.volume.heads import SEED, SIZE, scan_of

DOUBTFUL = Evidence(cnr=6.0, contrast=0.2, spread=0.15, surface=1.2, thick=False)
ONE_MM = (1.0, 1.0, 1.0)


def ball(radius: float, centre: tuple[int, int, int] = (20, 20, 20)) -> Bools:
    away = np.indices((41, 41, 41)) - np.array(centre)[:, None, None, None]
    return np.asarray((away**2).sum(axis=0) <= radius**2)


def evidence(bright: Bools, mask: Bools, taken: Bools | None = None) -> Evidence:
    intensities = np.where(bright, 1500, 1000).astype(np.uint16)
    return measured(intensities, mask, mask if taken is None else taken, ONE_MM, 1000, 12.0)


def test_confidence_rises_with_contrast_and_falls_with_what_healthy_tissue_shows() -> None:
    doubtful = confidence_of(DOUBTFUL)
    assert 0.2 < doubtful < 0.9
    for better in (
        replace(DOUBTFUL, cnr=9.0),
        replace(DOUBTFUL, contrast=0.3),
        replace(DOUBTFUL, spread=0.05),
        replace(DOUBTFUL, surface=1.0),
    ):
        assert confidence_of(better) > doubtful
    assert confidence_of(replace(DOUBTFUL, surface=1.0, thick=True)) < confidence_of(
        replace(DOUBTFUL, surface=1.0)
    )


def test_a_small_faint_lesion_may_fade_and_is_the_surer_the_more_its_own_search_is() -> None:
    fading = replace(DOUBTFUL, cnr=4.0, spread=0.35, surface=1.0)
    unsure, sure = (confidence_of(replace(fading, small_logit=logit)) for logit in (2.5, 8.0))
    assert confidence_of(fading) < unsure < sure


def test_no_finding_is_certain() -> None:
    sure = Evidence(cnr=60.0, contrast=0.7, spread=0.0, surface=0.9, thick=False)
    assert confidence_of(sure) == 0.99
    assert confidence_of(Evidence(-1.0, 0.0, 1.0, 2.0, thick=True)) == 0.01


def test_a_ball_with_a_sharp_edge_has_contrast_and_no_spread() -> None:
    of_ball = evidence(ball(5), ball(5))
    assert of_ball.contrast == pytest.approx(0.5)
    assert (of_ball.spread, of_ball.cnr, of_ball.thick) == (0.0, 12.0, False)
    assert of_ball.surface == pytest.approx(0.95, abs=0.1)


def test_a_sheet_has_more_surface_and_an_edge_that_goes_on_spreads() -> None:
    sheet = np.zeros((41, 41, 41), np.bool_)
    sheet[19:22, 10:31, 10:31] = True
    assert evidence(sheet, sheet).surface > 1.5
    assert evidence(ball(7), ball(5)).spread > 0.5


def test_another_lesion_beside_it_is_no_spread() -> None:
    mask, other = ball(4), ball(4, (20, 20, 29))
    assert evidence(mask | other, mask).spread > 0.01
    assert evidence(mask | other, mask, mask | other).spread == 0.0


def test_thick_slices_and_small_findings_have_no_shape() -> None:
    mask = ball(5)
    intensities = np.where(mask, 1500, 1000).astype(np.uint16)
    thick = measured(intensities, mask, mask, (5.0, 1.0, 1.0), 1000, 12.0)
    assert (thick.thick, thick.surface) == (True, 1.0)
    assert evidence(ball(2), ball(2)).surface == 1.0


def test_lesions_of_a_phantom_are_probably_lesions() -> None:
    phantom = make_phantom(SEED, 3, SIZE)
    found = segment(*scan_of(phantom.voxels, phantom.affine))
    assert found.lesions
    for number, lesion in enumerate(found.lesions, 1):
        own = evidence_of(found, number)
        assert own.cnr == lesion.cnr
        assert own.contrast > 0.1
        assert confidence_of(own) > 0.8
