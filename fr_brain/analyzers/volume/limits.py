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
_ALIKE = (
    " Grey and white matter are nearly equally bright and could not be told apart: their volumes "
    "are withheld."
)
_KINDS = {
    "thick": "On synthetic FLAIR in thick slices (0.9 x 0.9 x 5 mm, 20 heads of a kind): soft "
    "lesions F1 0.95, Dice 0.82, volume 17 % off; many lesions as in multiple sclerosis F1 "
    "0.87, Dice 0.72; white matter 19 to 20 % off.",
    "strong_field": "On 20 synthetic FLAIR heads with fields of 80 to 120 %: one refused; on all, "
    "93 % of the lesions found, Dice 0.83, volume 7 % off where it is given.",
    "stripped": "On synthetic FLAIR of 1 mm without skull (20 heads; 2 of 20 others were refused): "
    "many lesions as in multiple sclerosis F1 0.93, Dice 0.79, volume 11 % off.",
    "fine": "On synthetic FLAIR of 1 mm (20 heads of a kind): soft lesions F1 1.00, Dice 0.85, "
    "volume 10 % off; many as in multiple sclerosis F1 0.94, Dice 0.82; elderly F1 0.88, Dice "
    "0.81; of small faint lesions 66 % found.",
}


def limits_of(segmentation: Segmentation | None) -> tuple[str, ...]:
    """The limits that apply to an image, at most two sentences; of one that could not be analysed,
    what the method was tested on."""
    if segmentation is None:
        return (_TESTED,)
    missing = _STRIPPED if segmentation.masks.stripped else ""
    if segmentation.t1_like:
        return _TESTED, _T1 + missing
    alike = "" if "grey" in segmentation.volumes_ml else _ALIKE
    return _TESTED, _KINDS[_kind(segmentation)] + _WHERE + alike + missing


def _kind(segmentation: Segmentation) -> str:
    """The row of the evaluation that an image on FLAIR is most like."""
    if max(segmentation.image.spacing_mm) > _THICK_MM:
        return "thick"
    if segmentation.left_over_percent is not None:
        return "strong_field"
    if segmentation.masks.stripped:
        return "stripped"
    return "fine"
