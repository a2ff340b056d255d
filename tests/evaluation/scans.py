"""Generate, analyse and compare one scan of a row, in a worker process."""

from fr_pacs.sources.phantom.source import make_phantom
from tests.evaluation.matching import Matched, match
from tests.evaluation.measures import Outcome
from tests.evaluation.places import placed_of
from tests.evaluation.reading import Reading, read
from tests.evaluation.realistic import rows as realistic
from tests.evaluation.realistic.head import Head, make_head
from tests.evaluation.rows import Row, seed_of


def evaluate_scan(row: Row | realistic.RealisticRow, index: int) -> Outcome:
    """Generate scan ``index`` of a row, analyse it and compare it with its ground truth."""
    if isinstance(row, realistic.RealisticRow):
        return _of_realistic(row, index)
    phantom = make_phantom(seed_of(row), index, row.shape, row.recipe)
    truth = phantom.truth
    reading = read(phantom.contrast, phantom.voxels, phantom.affine)
    volumes = truth.volumes_ml
    inside = ("csf", "grey", "white", "lesion")
    return Outcome(
        matched=match(truth.labels, reading.labels, len(truth.lesions)),
        lesion_ml=tuple(lesion.volume_ml for lesion in truth.lesions),
        true_ml=volumes | {"intracranial": sum(volumes[name] for name in inside)},
        found_ml=reading.volumes_ml,
        failed=reading.failed,
        seconds=reading.seconds,
        flags=reading.flags,
    )


def _of_realistic(row: realistic.RealisticRow, index: int) -> Outcome:
    head = make_head(row.family, realistic.seed_of(row), index, row.kind)
    return compare(head, read(row.kind.contrast, head.voxels, head.affine))


def compare(head: Head, reading: Reading) -> Outcome:
    """Compare the analysis of a realistic head with its truth."""
    matched = match(head.labels, reading.labels, len(head.lesion_ml), head.share)
    return Outcome(
        matched=matched,
        lesion_ml=head.lesion_ml,
        true_ml=head.true_ml,
        found_ml=reading.volumes_ml,
        failed=reading.failed,
        seconds=reading.seconds,
        flags=reading.flags,
        placed=placed_of(head, reading) if reading.failed is None else None,
        rated=_rated(reading, matched),
    )


def _rated(reading: Reading, matched: Matched) -> tuple[tuple[float, bool], ...]:
    """Confidence and truth of each listed finding."""
    return tuple(
        (confidence, matched.right[label - 1]) for label, confidence in reading.confidence.items()
    )
