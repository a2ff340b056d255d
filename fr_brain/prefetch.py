"""The next scan, claimed and its voxels unpacked while the one in hand is analysed."""

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy.typing as npt

from common.domain.types import hash_voxels
from common.domain.voxel_compression import unpack
from common.errors import VoxelsDamaged
from common.store.documents import Claim

Voxels = npt.NDArray[Any]
_Found = tuple[list[Claim], Voxels | None]


class Ahead:
    """A thread that looks ahead, for the thread that analyses.

    Whatever goes wrong here is left: the scan's own turn comes, and finds and tells it.

    Args:
        fetch: a claimed scan's voxels.
        bytes_max: of the voxels and the payload of a scan that is fetched: the memory is the
            analyzer's, and what is taken of it here must not decide whether it is enough.
    """

    def __init__(self, fetch: Callable[[Claim], Voxels], bytes_max: int) -> None:
        self._fetch = fetch
        self._bytes_max = bytes_max
        self._pool = ThreadPoolExecutor(1, "ahead")
        self._looking: Future[_Found] | None = None
        self._too_late = threading.Event()
        self._ready: tuple[str, Voxels] | None = None

    def begin(self, claim: Callable[[], list[Claim]], after_s: float = 0.0) -> None:
        """In ``after_s`` seconds, unless ``claims`` is called before: call ``claim``, fetch the
        first that it gives."""
        self._too_late.clear()
        self._looking = self._pool.submit(self._look, claim, after_s)

    def claims(self) -> list[Claim]:
        """What ``claim`` gave, when the first is fetched. Looks ahead no longer."""
        looking, self._looking = self._looking, None
        if looking is None:
            return []
        self._too_late.set()
        claims, voxels = looking.result()
        if voxels is not None:
            self._ready = (claims[0].scan.scan_id, voxels)
        return claims

    def voxels(self, claim: Claim) -> Voxels | None:
        """The voxels of a scan that was fetched, once; None: it was not."""
        ready, self._ready = self._ready, None
        return ready[1] if ready is not None and ready[0] == claim.scan.scan_id else None

    def close(self) -> None:
        """Wait until it does nothing any more. Idempotent."""
        self._too_late.set()
        self._pool.shutdown()

    def _look(self, claim: Callable[[], list[Claim]], after_s: float) -> _Found:
        if self._too_late.wait(after_s):
            return [], None
        claims: list[Claim] = []
        with contextlib.suppress(Exception):
            claims = claim()
            if claims and claims[0].scan.voxels_bytes + claims[0].payload_bytes <= self._bytes_max:
                return claims, self._fetch(claims[0])
        return claims, None


def unpacked(claim: Claim, payload: bytes | bytearray) -> Voxels:
    """A scan's voxels, of its shape.

    Raises:
        VoxelsDamaged: they are not what was acknowledged.
    """
    voxels = payload
    if claim.packing is not None:
        voxels = unpack(payload, claim.packing, claim.scan.voxels_bytes)
    if hash_voxels(voxels) != claim.scan.voxels_hash:
        raise VoxelsDamaged("they do not have the hash that was acknowledged")
    return claim.scan.array(voxels)
