"""Makes ``template_data.py``: the head that scans are registered to, at 4 mm, from the phantoms'.

Run by ``make template``. The phantoms' anatomy (``fr_pacs/sources/phantom``) is made of the ICBM
152 maps of grey and white matter, and lies on their grid. What is drawn here:

* ventricles: fluid inside the brain that is connected with the bodies of the lateral ventricles,
  without the third ventricle, and the temporal horns;
* infratentorial: cerebellum and brain stem, divided from the cerebrum by a watershed that starts
  at points given below; its borders are the fluid below the tentorium. Where midbrain continues
  into the diencephalon, the border is the plane through the posterior commissure and the back of
  the mammillary bodies (Naidich et al., Duvernoy's Atlas of the Human Brain Stem and Cerebellum,
  2009).

The atlas is symmetric, so the file holds the half to the right of the middle.
"""

import base64
import sys
import textwrap
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from fr_brain.analyzers.volume.registration import template
from fr_pacs.sources.phantom.template import CENTRE, LEVELS, PAIRS, cells

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

DATA = Path(template.__file__).with_name("template_data.py")
_ORIGIN_MM = (-86.0, -120.0, -72.0)
"""MNI position of the phantoms' first cell: the atlas' maps begin at -98, -134, -72."""

# Points of the right half in MNI mm.
_CEREBELLUM = ((24, -62, -40), (10, -60, -30), (36, -60, -36), (4, -66, -36), (12, -50, -22))
_BRAIN_STEM = ((4, -26, -34), (2, -36, -52), (6, -28, -20), (2, -17, -34), (4, -16, -30))
_CEREBRUM = (
    (24, -20, 36), (30, 30, 10), (44, -30, -10), (26, -80, 8), (40, -52, -12), (30, -44, -10),
    (36, -5, -30), (26, -66, 2), (14, -90, -6), (10, -80, -2), (28, -88, -6), (40, -74, -6),
    (52, -50, -14), (24, -30, -14), (10, -20, 8), (16, -46, 2), (44, -20, -22), (8, -60, 8),
    (20, -70, -6), (34, -20, -26), (32, -72, -6), (10, -88, -2), (22, -2, -26), (6, -6, -14),
)  # fmt: skip
_COMMISSURE, _MAMMILLARY = (-27.0, -2.0), (-11.0, -13.0)  # y and z of the plane
_STEM_MM = 22.0  # widest half of the stem at the plane
_VENTRICLE = (10, -14, 24)  # body of the lateral ventricle
_HORNS = ((18, 38), (-17, -4), (-29, -12))  # box of the temporal horn
_THIRD_MM = (4.0, 12.0)  # |x| and z within which fluid is the third ventricle's
_FLUID = 0.5  # share that is fluid
_DEEP_MM, _HORN_DEEP_MM = 14.0, 12.0  # depths of the fluid of ventricles


def main() -> int:
    """Write the data beside the code that reads it."""
    DATA.write_text(_source(packed(make_maps())))
    print(f"{DATA}: {DATA.stat().st_size / 1e3:.1f} kB")  # noqa: T201 - a script
    return 0


def make_maps() -> dict[str, Floats]:
    """The channels of the template, 0 to 1, at 4 mm; the right half, axes x, y, z."""
    shares = _shares()
    brain = shares["grey"] + shares["white"] + shares["csf"]
    maps = {
        "grey": shares["grey"],
        "white": shares["white"],
        "inside": np.minimum(brain, 1),
        "ventricles": _ventricles(shares["csf"], brain > 0.5).astype(np.float32),
        "infratentorial": _infratentorial(shares, brain > 0.5).astype(np.float32),
    }
    return {name: _thinned(maps[name]) for name in template.CHANNELS}


def packed(maps: dict[str, Floats]) -> str:
    """The channels as text."""
    levels = np.stack([np.rint(maps[name] * template.LEVELS) for name in template.CHANNELS])
    codes = levels.astype(np.uint8)
    return base64.b85encode(zlib.compress(codes.tobytes(), 9)).decode("ascii")


def _source(text: str) -> str:
    lines = "\n".join(f'    "{line}"' for line in textwrap.wrap(text, 90))
    return (
        '"""The template\'s channels, packed. Made by ``make template``; ``template.txt`` has the '
        'notice."""\n\nPACKED = (\n' + lines.replace("\\", "\\\\") + "\n)\n"
    )


def _shares() -> dict[str, Floats]:
    codes = cells().T
    pair, level = codes // LEVELS, (codes % LEVELS).astype(np.float32) / (LEVELS - 1)
    shares = {name: np.zeros(codes.shape, np.float32) for name in ("grey", "white", "csf")}
    for number, (first, second) in enumerate(PAIRS):
        here = pair == number
        for tissue, share in ((first, 1 - level), (second, level)):
            if tissue in shares:
                shares[tissue] += here * share
    return shares


def _ventricles(csf: Floats, brain: Bools) -> Bools:
    depth = ndimage.distance_transform_edt(brain)
    x, y, z = _mm(csf.shape)
    labels, _ = ndimage.label((csf > _FLUID) & (depth > _DEEP_MM))
    bodies = labels == labels[_cell(_VENTRICLE)]
    bodies &= ~((np.abs(x) <= _THIRD_MM[0]) & (z <= _THIRD_MM[1]))
    horn = (csf > _FLUID / 2) & (depth > _HORN_DEEP_MM)
    for axis, (low, high) in zip((np.abs(x), y, z), _HORNS, strict=True):
        horn &= (axis >= low) & (axis <= high)
    return np.asarray(bodies | horn)


def _infratentorial(shares: dict[str, Floats], brain: Bools) -> Bools:
    tissue = shares["grey"] + shares["white"]
    # Grey matter costs more than white, so that the border between two cortices is found.
    cost = np.clip(255 * (1 - 0.6 * shares["grey"] - shares["white"]), 0, 255).astype(np.uint8)
    markers = np.zeros(tissue.shape, np.int16)
    for points, label in ((_CEREBELLUM + _BRAIN_STEM, 1), (_CEREBRUM, 2)):
        for right, front, up in points:
            for side in (-1, 1):
                markers[_cell((side * right, front, up))] = label
    below = ndimage.watershed_ift(cost, markers) == 1
    x, y, z = _mm(tissue.shape)
    slope = (_MAMMILLARY[1] - _COMMISSURE[1]) / (_MAMMILLARY[0] - _COMMISSURE[0])
    under = z < _COMMISSURE[1] + slope * (y - _COMMISSURE[0])
    stem = (np.abs(x) < _STEM_MM) & (y > _COMMISSURE[0] - 14)
    below &= under | ~stem
    # The watershed leaves out voxels of even white matter.
    below = ndimage.binary_fill_holes(ndimage.binary_closing(below, iterations=3))
    return np.asarray(below & brain & (under | ~stem))


def _mm(shape: tuple[int, ...]) -> tuple[Floats, Floats, Floats]:
    x, y, z = (
        np.arange(n, dtype=np.float32) + np.float32(origin)
        for n, origin in zip(shape, _ORIGIN_MM, strict=True)
    )
    return x[:, None, None], y[None, :, None], z[None, None, :]


def _cell(mm: tuple[int, int, int]) -> tuple[int, int, int]:
    x, y, z = (round(at - origin) for at, origin in zip(mm, _ORIGIN_MM, strict=True))
    return x, y, z


def _thinned(fine: Floats) -> Floats:
    """Means over 4 mm around the template's grid points; the right half."""
    if _ORIGIN_MM[0] + CENTRE[0] != 0:
        raise SystemExit("the phantoms' middle is not the atlas' middle")
    edge = int(template.SPACING_MM)
    for axis in range(3):
        kernel = np.ones(edge + 1, np.float32)
        kernel[0] = kernel[-1] = 0.5
        fine = ndimage.correlate1d(fine, kernel / edge, axis=axis, mode="constant")
    out = np.zeros(template.HALF_SHAPE, np.float32)
    sources, targets = [], []
    for axis, n in enumerate(template.HALF_SHAPE):
        first = 0.0 if axis == 0 else template.ORIGIN_MM[axis]
        at = np.rint(first + edge * np.arange(n) - _ORIGIN_MM[axis]).astype(int)
        within = (at >= 0) & (at < fine.shape[axis])
        sources.append(at[within])
        targets.append(np.flatnonzero(within))
    out[np.ix_(*targets)] = fine[np.ix_(*sources)]
    return np.clip(out, 0, 1)


if __name__ == "__main__":
    sys.exit(main())
