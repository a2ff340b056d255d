"""Scans, voxels and reports for tests: plain examples, and hypothesis strategies of any of them."""

import math
import os
from datetime import UTC, datetime
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from common.domain.ecg_findings import EcgFindings, LeadCrossings
from common.domain.finding_kinds import OtherFindings
from common.domain.findings import (
    AnyQuality,
    Findings,
    Lesion,
    Lesions,
    Quality,
    Verdict,
    Volumes,
)
from common.domain.report import AnalyzerId, BrainReport
from common.domain.scan import BrainScan, Signal
from common.domain.types import Affine, DType, hash_voxels

# How long an example takes says how busy the machine is, and nothing of the code.
settings.register_profile(
    "fr",
    max_examples=100 if os.environ.get("LONG") else 30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("fr")

NOON = datetime(2024, 5, 17, 12, 0, 0, 250_000, tzinfo=UTC)
UNIT_AFFINE: Affine = ((1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0))


def a_scan(voxels: bytes = b"voxels..", **fields: Any) -> BrainScan:
    """A scan of these voxels: bytes in as few rows as they fit, if no field says otherwise."""
    size = len(voxels)
    rows = next(n for n in range(1, size + 1) if size % n == 0 and size // n <= 65535)
    known: dict[str, Any] = {
        "scan_id": "scan-1",
        "pacs": "pacs-1",
        "scan_type": "grid",
        "acquired_at": NOON,
        "shape": (size // rows, rows),
        "dtype": "uint8",
        "voxels_bytes": size,
        "voxels_hash": hash_voxels(voxels),
    }
    return BrainScan(**{**known, **fields})


def a_report(**fields: Any) -> BrainReport:
    """A report of a head with one lesion."""
    lesion = Lesion(
        voxels=3, volume_ml=0.003, centroid_voxel=(1.0, 2.0, 3.0), centroid_mm=(1.0, 2.0, 3.0)
    )
    known: dict[str, Any] = {
        "scan_id": "scan-1",
        "pacs": "pacs-1",
        "scan_type": "volume",
        "voxels_hash": hash_voxels(b""),
        "shape": (4, 5, 6),
        "voxel_size_mm": (1.0, 1.0, 1.0),
        "orientation": "RAS",
        "analyzer": AnalyzerId(name="volume", version="1"),
        "analysed_at": NOON,
        "run_time_ms": 12.5,
        "findings": Findings(
            quality=Quality(verdict=Verdict.WARN, reasons=("the head touches the edge",)),
            lesions=Lesions(count=1, voxels=3, volume_ml=0.003, largest=(lesion,)),
            volumes=Volumes(head_ml=0.12, brain_ml=0.1),
            limitations=("checked on phantoms",),
        ),
    }
    return BrainReport(**{**known, **fields})


identifiers = st.text("azAZ09._-", min_size=1, max_size=64).filter(lambda name: name[0].isalnum())
scan_types = st.text("az09_-", min_size=1, max_size=32).filter(lambda name: name[0].isalnum())
texts = st.text("aZ0^ é中😀'\"\\\n\x00", max_size=64)
"""A few letters of each sort: all of Unicode would take seconds to prepare."""

digests = st.from_regex(r"[0-9a-f]{16,64}", fullmatch=True)
pseudonyms = st.text("aZ09._-", min_size=1, max_size=64).filter(
    lambda text: text[0].isalnum() and ("a" in text or "Z" in text)
)


def a_signal(leads: int) -> Signal:
    """A signal of so many leads."""
    names = tuple(f"V{n + 1}" for n in range(leads))
    return Signal(sampling_rate_hz=500, leads=names, units="mV", filters=("notch_50_hz",))


dtypes: st.SearchStrategy[DType] = st.sampled_from(get_args(DType))
times = st.datetimes(timezones=st.just(UTC)).map(
    lambda time: time.replace(microsecond=time.microsecond // 1000 * 1000)
)
_finite = st.floats(allow_nan=False, allow_infinity=False)
_amounts = st.floats(min_value=0, max_value=1e9)


@st.composite
def rotations(draw: st.DrawFn) -> npt.NDArray[np.float64]:
    """Any rotation, as a 3x3 matrix."""
    w, x, y, z = draw(st.tuples(*[st.floats(-1, 1)] * 4).filter(lambda q: math.hypot(*q) > 0.1))
    w, x, y, z = np.array([w, x, y, z]) / math.hypot(w, x, y, z)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


@st.composite
def affines(draw: st.DrawFn) -> Affine:
    """Axes in any order and direction, straight or oblique, of any voxel size."""
    turn = draw(st.one_of(st.just(np.eye(3)), rotations()))
    order = draw(st.permutations(range(3)))
    signs = draw(st.tuples(*[st.sampled_from((-1.0, 1.0))] * 3))
    sizes = draw(st.tuples(*[st.floats(0.01, 100)] * 3))
    offsets = draw(st.tuples(*[st.floats(-1000, 1000)] * 3))
    axes = turn[:, order] * np.array(signs) * np.array(sizes)
    rows = [(*map(float, row), offset) for row, offset in zip(axes, offsets, strict=True)]
    return rows[0], rows[1], rows[2]


@st.composite
def scans(draw: st.DrawFn, most: int = 12) -> tuple[BrainScan, bytes]:
    """A scan with its voxels, at most ``most`` along an axis."""
    shape = tuple(draw(st.lists(st.integers(1, most), min_size=2, max_size=3)))
    dtype = draw(dtypes)
    seed = draw(st.integers(0, 2**32 - 1))
    size = math.prod(shape) * np.dtype(dtype).itemsize
    voxels = np.random.default_rng(seed).bytes(size)
    return (
        BrainScan(
            scan_id=draw(identifiers),
            pacs=draw(identifiers),
            subject=draw(st.none() | pseudonyms),
            study=draw(st.none() | digests),
            series=draw(st.none() | digests),
            session=draw(st.none() | pseudonyms),
            scan_type=draw(scan_types),
            modality=draw(st.sampled_from((None, "MR"))),
            contrast=draw(st.sampled_from((None, "t1"))),
            role=draw(st.sampled_from((None, "diffusion b0"))),
            acquired_at=draw(st.none() | times),
            acquired_zone=draw(st.sampled_from(("utc", "unknown"))),
            problems=draw(st.sampled_from(((), ("slices_missing",)))),
            signal=draw(st.none() | st.just(a_signal(shape[1]))) if len(shape) == 2 else None,
            shape=shape,
            dtype=dtype,
            voxels_bytes=size,
            voxels_hash=hash_voxels(voxels),
            affine=draw(st.none() | affines()),
        ),
        voxels,
    )


_points = st.tuples(_finite, _finite, _finite)
_lesions = st.builds(
    Lesion,
    voxels=st.integers(1, 2**40),
    volume_ml=st.none() | _amounts,
    centroid_voxel=st.lists(_finite, max_size=3).map(tuple),
    centroid_mm=st.none() | _points,
)
_measured = st.builds(
    Findings,
    quality=st.builds(
        Quality,
        verdict=st.sampled_from((Verdict.PASS, Verdict.WARN)),
        reasons=st.lists(texts, max_size=2).map(tuple),
    ),
    lesions=st.builds(
        Lesions,
        count=st.integers(0, 2**31),
        voxels=st.integers(0, 2**40),
        volume_ml=st.none() | _amounts,
        largest=st.lists(_lesions, max_size=2).map(tuple),
    ),
    volumes=st.none() | st.builds(Volumes, head_ml=_amounts, brain_ml=_amounts),
    limitations=st.lists(texts, max_size=2).map(tuple),
)
_withheld = st.builds(
    Findings,
    quality=st.builds(
        Quality,
        verdict=st.just(Verdict.FAIL),
        reasons=st.lists(texts, min_size=1, max_size=2).map(tuple),
    ),
    lesions=st.none(),
    volumes=st.none(),
)
ecg_findings = st.builds(
    EcgFindings,
    quality=st.builds(AnyQuality, verdict=st.sampled_from(Verdict)),
    crossings=st.lists(
        st.builds(LeadCrossings, lead=texts, zero_crossings=st.none() | st.integers(0, 2**31)),
        min_size=1,
        max_size=3,
    ).map(tuple),
)
other_findings = st.builds(
    OtherFindings,
    kind=st.just("eeg"),
    quality=st.builds(AnyQuality, verdict=st.sampled_from(Verdict)),
    content_schema=st.just("urn:a-lab:eeg:1"),
    content=st.dictionaries(
        st.sampled_from(("alpha", "bands")),
        st.recursive(
            st.none() | st.booleans() | st.integers(-(2**52), 2**52) | _finite | texts,
            lambda inner: st.lists(inner, max_size=2) | st.fixed_dictionaries({"deep": inner}),
            max_leaves=4,
        ),
    ),
)
findings = _measured | _withheld | ecg_findings | other_findings

reports = st.builds(
    BrainReport,
    scan_id=identifiers,
    pacs=identifiers,
    scan_type=scan_types,
    voxels_hash=st.binary(max_size=20).map(hash_voxels),
    shape=st.lists(st.integers(1, 65535), min_size=2, max_size=3).map(tuple),
    voxel_size_mm=st.none() | st.tuples(_amounts, _amounts, _amounts),
    orientation=st.none() | st.sampled_from(("RAS", "LPS", "ASL")),
    analyzer=st.builds(
        AnalyzerId,
        name=st.text("abc-", min_size=1, max_size=64),
        version=st.text("0123456789.", min_size=1, max_size=32),
    ),
    analysed_at=times,
    run_time_ms=_amounts,
    findings=findings,
)
