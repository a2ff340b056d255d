"""The images of the conformance checks: every dtype and orientation, and images that no scanner
should send but one day does."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from common.domain.scan import BrainScan
from common.domain.types import Affine, DType, hash_voxels
from fr_brain.analyzers.conformance.recordings import recordings

Array = npt.NDArray[Any]
Case = tuple[str, BrainScan, bytearray]

_MM = np.diag([2.0, 2.0, 2.0])


def cases(scan_type: str) -> Iterator[Case]:
    """Name, header and voxels (Fortran order, little-endian) of each case, the largest first."""
    if scan_type == "ecg":
        yield from recordings(scan_type)
    ball = head((96, 96, 80))
    for name, array, axes in _cases(ball):
        affine = None if axes is None else _affine(axes)
        yield f"{name}, {scan_type}", *_scan(scan_type, array, affine)


def head(shape: tuple[int, int, int]) -> npt.NDArray[np.float32]:
    """A head of shells with three bright spots and noise, intensities 0 to about 1000."""
    axes = [np.linspace(-1, 1, n, dtype=np.float32) for n in shape]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    radius = np.sqrt((x / 0.8) ** 2 + (y / 0.9) ** 2 + (z / 0.85) ** 2)
    image = np.select(
        [radius < 0.75, radius < 0.8, radius < 0.88, radius < 0.97], [500, 150, 60, 620]
    )
    for at in ((0.2, 0.1, 0.2), (-0.3, 0.2, 0.0), (0.1, -0.4, -0.2)):
        far = (x - at[0]) ** 2 + (y - at[1]) ** 2 + (z - at[2]) ** 2
        image = np.where(far < 0.006, 900, image)
    noise = np.random.default_rng(7).normal(0, 12, shape)
    return np.abs(image + noise).astype(np.float32)


def _cases(ball: npt.NDArray[np.float32]) -> Iterator[tuple[str, Array, Array | None]]:
    yield "a head, int16", ball.astype(np.int16), _MM
    for kind in get_args(DType):
        scaled = ball / 1000 * 100 if kind in ("uint8", "int8") else ball
        yield f"a small head, {kind}", scaled[::3, ::3, ::3].astype(kind), _MM * 3
        most = np.finfo(kind).max if np.dtype(kind).kind == "f" else np.iinfo(kind).max
        extreme = np.where(ball[::6, ::6, ::6] > 400, most, 0).astype(kind)
        yield f"all or nothing, {kind}", extreme, _MM * 6
    small = ball[::3, ::3, ::3].astype(np.int16)
    for order in itertools.permutations(range(3)):
        for signs in ((1, 1, 1), (-1, -1, 1), (1, -1, -1)):
            yield f"axes {order}, {signs}", small, (np.eye(3) * signs)[:, order] * 6.0
    yield "oblique", small, _turn(0.4) @ (_MM * 3)
    yield "thick slices", ball[:, :, ::4].astype(np.int16), np.diag([2.0, 2.0, 8.0])
    yield "not in space", small, None
    yield "voxels of a microscope", small, np.eye(3) * 1e-3
    for name, shape in (
        ("one voxel", (1, 1, 1)),
        ("one plane", (40, 40, 1)),
        ("a row", (1, 60, 1)),
    ):
        yield name, np.full(shape, 7, np.uint8), _MM
    yield "two axes", ball[:10, :10, 40].astype(np.uint8), None
    yield "two axes in space", ball[:, :, 40].astype(np.int16), _MM
    yield "one cell", np.ones((1, 1), np.uint8), None
    shapes: tuple[tuple[int, ...], ...] = ((10, 10), (40, 40, 40))
    for size in shapes:
        yield f"empty, {len(size)} axes", np.zeros(size, np.int16), _MM
        yield f"constant, {len(size)} axes", np.full(size, 300, np.float32), _MM
        yield f"NaN, {len(size)} axes", np.full(size, np.nan, np.float32), _MM
        yield f"infinite, {len(size)} axes", np.full(size, np.inf, np.float64), _MM
        noise = np.random.default_rng(3).normal(0, 1, size)
        yield f"noise, {len(size)} axes", noise.astype(np.float32), _MM
    spoilt = ball[::3, ::3, ::3].copy()
    spoilt[5:9], spoilt[12, 3], spoilt[13, 4] = np.nan, np.inf, -np.inf
    yield "partly NaN and infinite", spoilt, _MM * 3
    yield "huge values", (ball[::3, ::3, ::3].astype(np.float64) * 1e300), _MM * 3
    yield "tiny values", (ball[::3, ::3, ::3].astype(np.float64) * 1e-300), _MM * 3


def _turn(angle: float) -> Array:
    c, s = np.cos(angle), np.sin(angle)
    about_z = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    turned: Array = about_z @ about_x
    return turned


def _affine(axes: Array) -> Affine:
    rows = [(float(x), float(y), float(z), -20.0) for x, y, z in axes]
    return rows[0], rows[1], rows[2]


def _scan(scan_type: str, array: Array, affine: Affine | None) -> tuple[BrainScan, bytearray]:
    voxels = bytearray(array.astype(array.dtype.newbyteorder("<")).tobytes(order="F"))
    scan = BrainScan(
        scan_id="conformance",
        pacs="pacs-1",
        scan_type=scan_type,
        acquired_at=datetime(2024, 1, 1, tzinfo=UTC),
        shape=array.shape,
        dtype=array.dtype.name,  # type: ignore[arg-type]
        voxels_bytes=len(voxels),
        voxels_hash=hash_voxels(voxels),
        affine=affine,
    )
    return scan, voxels
