"""Makes ``template.gz``: the anatomy of the phantoms, from maps that nilearn's package brings.

Run by ``make template``. Grey and white matter are
the ICBM 152 maps (``template.txt`` has their notice); the rest of the head is made up here, by
distance from the brain: fluid, skull with marrow, scalp with fat, a face with eyes and nose, a
neck. Each voxel keeps the two tissues that fill it most and in 32 levels how much each does.
"""

import gzip
import sys
from pathlib import Path
from typing import Any

import nibabel
import nilearn  # type: ignore[import-untyped]
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from fr_pacs.sources.phantom.template import FIRST, LEVELS, PAIRS, SHAPE, TEMPLATE

Floats = npt.NDArray[np.float32]

_MAPS = Path(nilearn.__file__).parent / "datasets" / "data"
_MAP_SHAPE = (197, 233, 189)
# Averages of 152 heads are blurred; fractions to this power, made to sum to 1, are crisper.
_CRISP = 1.6
_DURA_MM, _SKULL_MM, _SCALP_MM = 1.5, 6.0, 5.5


def main() -> int:
    """Write the template beside the code that reads it."""
    raw = make_codes().tobytes()
    TEMPLATE.write_bytes(gzip.compress(raw, 9, mtime=0))
    print(f"{TEMPLATE}: {TEMPLATE.stat().st_size / 1e6:.2f} MB")  # noqa: T201 - a script
    return 0


def make_codes() -> npt.NDArray[np.uint8]:
    """The template's cells along z, y, x: a plane is contiguous, as the phantoms need it."""
    codes = encode(fractions(_read("gm"), _read("wm")))
    box = tuple(slice(first, first + n) for first, n in zip(FIRST, SHAPE, strict=True))
    if np.count_nonzero(codes) != np.count_nonzero(codes[box]):
        raise SystemExit("the head does not fit into SHAPE")
    return np.ascontiguousarray(codes[box].T)


def fractions(grey: Floats, white: Floats) -> dict[str, Floats]:
    """How much of each voxel each tissue fills, from the two maps (0 to 1)."""
    fluid = np.clip(1 - grey - white, 0, 1)
    grey, white, fluid = (part**_CRISP for part in (grey, white, fluid))
    total = np.maximum(grey + white + fluid, 1e-6)
    brain = _cavity((grey + white) / total > 0.3)
    away = _distance(brain)
    inside = _within(away, _DURA_MM)
    skull = _within(away, _DURA_MM + _SKULL_MM)
    marrow = 0.8 * np.clip(1.2 - np.abs(away - _DURA_MM - 0.5 * _SKULL_MM) * 0.8, 0, 1)
    face, eyes, nose = _face(away.shape)
    head = np.maximum(_within(away, _DURA_MM + _SKULL_MM + _SCALP_MM), face)
    skin = _distance(head < 0.5)  # depth below the skin
    fat = 0.9 * np.clip(skin - 1.5, 0, 1) * np.clip(5.0 - skin, 0, 1)
    parts = {"csf": inside * fluid / total, "grey": inside * grey / total}
    parts["white"] = inside * white / total
    outside = 1 - inside
    eyes = np.minimum(eyes, 1 - skull) * (head > 0.99)
    air = np.minimum(nose, 1 - skull) * head + (1 - head)
    bone = (skull - inside) * (1 - marrow) + eyes * 0.65  # eyeballs: as dim as the two together
    soft = np.clip(outside - (skull - inside) - eyes - air, 0, 1)
    parts |= {"air": air, "skull": bone, "marrow": (skull - inside) * marrow}
    parts |= {"fat": soft * fat, "scalp": soft * (1 - fat) + eyes * 0.35}
    return {name: np.asarray(part, np.float32) for name, part in parts.items()}


def encode(parts: dict[str, Floats]) -> npt.NDArray[np.uint8]:
    """The pair of tissues that fills the most of each voxel, and how it is mixed."""
    best = np.full(next(iter(parts.values())).shape, -1, np.float32)
    codes = np.zeros(best.shape, np.uint8)
    for number, (first, second) in enumerate(PAIRS):
        both = parts[first] + parts[second]
        level = np.rint((LEVELS - 1) * parts[second] / np.maximum(both, 1e-6))
        # A tie goes to the pair that comes first: what is alike gets one code and packs well.
        better = both > best + 1e-4
        codes[better] = (number * LEVELS + level[better]).astype(np.uint8)
        best[better] = both[better]
    return codes


def _read(name: str) -> Floats:
    image: Any = nibabel.load(_MAPS / f"mni_icbm152_{name}_tal_nlin_sym_09a_converted.nii.gz")
    if image.shape != _MAP_SHAPE:
        raise SystemExit(f"the {name} map has the shape {image.shape}, not {_MAP_SHAPE}")
    return np.asarray(image.dataobj, np.float32) / np.float32(255)


def _distance(mask: npt.NDArray[np.bool_]) -> Floats:
    """mm from the mask's surface: negative inside."""
    outside = ndimage.distance_transform_edt(~mask)
    inside = ndimage.distance_transform_edt(mask)
    return np.asarray(outside - inside + np.where(mask, 0.5, -0.5), np.float32)


def _within(away: Floats, mm: float) -> Floats:
    return np.asarray(np.clip(mm - away + 0.5, 0, 1), np.float32)


def _cavity(tissue: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """The brain with its sulci and ventricles, rounded: what the skull was built around."""
    wide = 20
    padded = np.pad(tissue, wide, mode="edge")
    near = ndimage.distance_transform_edt(~padded) <= wide - 5
    closed = ndimage.distance_transform_edt(near) > wide - 5
    smooth = ndimage.gaussian_filter(closed.astype(np.float32), 2.0) > 0.5
    filled = ndimage.binary_fill_holes(smooth | padded)
    return np.asarray(filled)[wide:-wide, wide:-wide, wide:-wide]


def _face(shape: tuple[int, ...]) -> tuple[Floats, Floats, Floats]:
    """Soft tissue below the brain, eyeballs, the air of the nose; all made up."""
    x, y, z = (np.arange(n, dtype=np.float32) for n in shape)
    x, y, z = x[:, None, None] - 98, y[None, :, None], z[None, None, :]

    def blob(centre: tuple[float, float, float], radii: tuple[float, float, float]) -> Floats:
        (cx, cy, cz), mean = centre, sum(radii) / 3
        away = np.sqrt(
            ((x - cx) / radii[0]) ** 2 + ((y - cy) / radii[1]) ** 2 + ((z - cz) / radii[2]) ** 2
        )
        return np.asarray(np.clip((1 - away) * mean + 0.5, 0, 1), np.float32)

    jaw = blob((0, 158, 0), (66, 56, 62))
    nose = blob((0, 206, 12), (15, 14, 30))
    neck = blob((0, 100, -40), (68, 78, 75))
    face = np.maximum(np.maximum(jaw, nose), neck)
    eyes = np.maximum(blob((-32, 186, 34), (12, 12, 12)), blob((32, 186, 34), (12, 12, 12)))
    cavity = np.maximum(blob((-8, 178, 10), (5, 24, 20)), blob((8, 178, 10), (5, 24, 20)))
    cavity = np.maximum(cavity, blob((0, 146, -4), (16, 14, 14)))
    for side in (-28, 28):
        cavity = np.maximum(cavity, blob((side, 178, 2), (13, 14, 14)))
    return face, eyes, cavity


if __name__ == "__main__":
    sys.exit(main())
