"""The search for small lesions is fitted on what it judges, with the truth of the same voxels."""

import numpy as np

from fr_brain.analyzers.volume.small_lesions import NAMES
from tests.evaluation.fit_small_lesions import LESION_SHARE, TUNING_KINDS
from tests.evaluation.matching import match
from tests.evaluation.reading import read, read_candidates
from tests.evaluation.realistic.head import make_head
from tests.evaluation.realistic.rows import KINDS, TUNING_SEEDS

_SEED = TUNING_SEEDS[9700]


def test_candidates_lie_where_the_truth_says() -> None:
    head = make_head("mni", _SEED, 1, KINDS["small faint"])
    found, share = read_candidates("flair", head.voxels, head.affine, head.share)
    true = share[tuple(found.positions.T)] > LESION_SHARE
    assert found.measures.shape == (len(true), len(NAMES))
    assert 3 <= np.count_nonzero(true) < len(true)
    # Lesions are steeper than other maxima.
    steepness = found.measures[:, NAMES.index("half at 3 mm")]
    assert steepness[true].mean() < steepness[~true].mean()
    assert all(kind.contrast == "flair" for kind, _ in TUNING_KINDS.values())


def test_most_small_faint_lesions_of_a_tuning_head_are_found() -> None:
    """14 lesions of 0.004 to 0.04 ml: 6 of them are found without the search for small ones."""
    head = make_head("mni", _SEED, 1, KINDS["small faint"])
    reading = read("flair", head.voxels, head.affine)
    matched = match(head.labels, reading.labels, len(head.lesion_ml), head.share)
    assert sum(matched.found) >= 9
    assert matched.false == 0


def test_labels_in_thick_slices_have_the_voxels_that_lesions_fill_at_least_half() -> None:
    """Dice 0.76; 0.65 if the labels have all voxels that the volume counts."""
    head = make_head("mni", TUNING_SEEDS[9701], 1, KINDS["MS 5 mm"])
    reading = read("flair", head.voxels, head.affine)
    matched = match(head.labels, reading.labels, len(head.lesion_ml), head.share)
    assert matched.dice is not None
    assert matched.dice > 0.72
    voxel_ml = abs(np.linalg.det(np.array(head.affine)[:, :3])) / 1000
    labelled_ml = np.count_nonzero(reading.labels) * voxel_ml
    assert labelled_ml < 0.85 * reading.volumes_ml["lesion"]
    assert abs(reading.volumes_ml["lesion"] / head.true_ml["lesion"] - 1) < 0.25
