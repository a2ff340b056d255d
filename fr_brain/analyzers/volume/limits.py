"""What limits the results of one image: two sentences, with figures of the kind it belongs to.

The figures are those of the realistic heads of Colin27 in ``tests/evaluation``, on which nothing
was tuned.
"""

from fr_brain.analyzers.volume.segment import Segmentation

_THICK_MM = 2.5  # largest voxel edge of the figures for 1 mm

_TESTED = (
    "Tested on synthetic heads, which the authors of the method made, and on two real heads "
    "without lesions, but on no real lesion. Expect worse results on patients."
)
_T1 = (
    "On T1 images, the analyzer looks only for dark lesions inside white matter that touch neither "
    "grey matter nor fluid; it found 6 % of the soft lesions on 20 synthetic heads."
)
_WHERE = (
    " The analyzer does not look in the outer 4 mm of the brain, and counts lesions that touch as "
    "one."
)
_STRIPPED = " Scalp and skull are missing: the volume 'head' covers only what is left of the head."
_KINDS = {
    "thick": "On synthetic FLAIR heads in thick slices (5 mm, 20 heads of each kind): 98 % of soft "
    "lesions found, lesion volume off by 19 % on average; with many lesions as in multiple "
    "sclerosis, 78 % found, volume off by 19 %; white matter off by 19 to 23 %.",
    "strong_field": "On 20 synthetic FLAIR heads with bias fields of 80 to 120 %: 99 % of the "
    "lesions found, lesion volume off by 6 % on average.",
    "stripped": "On 20 synthetic FLAIR heads of 1 mm without skull, with many lesions as in "
    "multiple sclerosis: 85 % of the lesions found, lesion volume off by 12 % on average. On 20 "
    "heads with parts of the scalp left: 0.10 false findings per head.",
    "fine": "On synthetic FLAIR heads of 1 mm (20 heads of each kind): 98 % of soft lesions found, "
    "lesion volume off by 7 % on average; with many lesions as in multiple sclerosis, 92 % found; "
    "in elderly heads, 83 %; of small faint lesions, 64 %; on heads of the size of children's, "
    "grey matter off by 13 %.",
}


def limits_of(segmentation: Segmentation | None) -> tuple[str, ...]:
    """The limits that apply to an image, at most two sentences; of one that could not be analysed,
    what the method was tested on."""
    if segmentation is None:
        return (_TESTED,)
    missing = _STRIPPED if segmentation.masks.stripped else ""
    if segmentation.t1_like:
        return _TESTED, _T1 + missing
    return _TESTED, _KINDS[_kind(segmentation)] + _WHERE + missing


def _kind(segmentation: Segmentation) -> str:
    """The row of the evaluation that an image on FLAIR is most like."""
    if max(segmentation.image.spacing_mm) > _THICK_MM:
        return "thick"
    if segmentation.left_over_percent is not None:
        return "strong_field"
    if segmentation.masks.stripped:
        return "stripped"
    return "fine"
