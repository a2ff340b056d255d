"""What to doubt in a result that is given."""

from common.domain.scan import BrainScan
from fr_brain.analyzers.volume.masks import edge_fraction
from fr_brain.analyzers.volume.segment import Segmentation

_SPACING_WARN_MM = 3.5
_NOISE_WARN = 10.0  # per cent; checked to 9
_AT_EDGE_WARN = 0.01


def quality_warnings(
    scan: BrainScan, segmentation: Segmentation, noise: float | None, *, plausible: bool
) -> dict[str, str]:
    """Flags, each with its sentence."""
    image = segmentation.image
    reasons: dict[str, str] = {}
    if segmentation.coarse.not_finite:
        reasons["not_finite"] = (
            f"{segmentation.coarse.not_finite} of {image.view.size} voxels are no finite numbers; "
            "they were taken as background."
        )
    if segmentation.masks.stripped:
        reasons["stripped"] = "Scalp and skull are missing: 'head' is what is left of it."
    if segmentation.t1_like:
        reasons["t1"] = (
            "Grey matter is darker than white, as on T1: lesions are taken to be dark, and only "
            "those inside of white matter can be seen."
        )
    looks = "t1" if segmentation.t1_like else "flair"
    if scan.scan_type in ("t1", "flair") and scan.scan_type != looks:
        reasons["contrast"] = (
            f"It was sent as {scan.scan_type} and looks like {looks}; it was read as {looks}."
        )
    if max(image.spacing_mm) > _SPACING_WARN_MM:
        smallest = 3 * image.voxel_ml
        reasons["coarse"] = (
            f"Voxels of {max(image.spacing_mm):.1f} mm: lesions below {smallest:.2g} ml cannot be "
            "seen, and the volumes of others are coarse."
        )
    if noise is not None and noise > _NOISE_WARN:
        reasons["noisy"] = (
            f"Noise is {noise:.0f} % of white matter: small lesions may be missed, "
            "and small findings may be noise."
        )
    if edge_fraction(segmentation.masks.brain) > _AT_EDGE_WARN:
        reasons["cut_off"] = (
            "The brain reaches the edge of the field of view: a part may be missing."
        )
    if segmentation.field.inu_percent is None:
        reasons["no_field"] = "The bias field could not be fitted; none was taken off."
    if not plausible:
        intracranial_ml = segmentation.volumes_ml["intracranial"]
        reasons["intracranial"] = (
            f"An intracranial volume of {intracranial_ml:.0f} ml is none of an adult: the outline "
            "may be wrong."
        )
    return reasons
