"""The work signal of a Fr-BRAIN: it wakes idle processors one by one.

A new scan is work for one processor. If each listened to MongoDB itself, all 64 would wake up for
every scan, query, and find that another one was faster. So the supervisor listens and wakes one;
whoever leaves scans waiting wakes the next before starting to work. A wake-up may be lost with the
processor that it woke, so processors also poll.

A wake-up for one new scan names it, so the processor can claim it without a search. The name is a
hint in shared memory that anyone may write or read at any time: one that is torn, old, or that
another processor has used already costs a search.
"""

import ctypes
import time
import zlib
from multiprocessing.context import SpawnContext

HINT_S = 0.1
"""A named scan is claimed within this time. Later, more urgent ones may wait."""

_KEY_BYTES = 256


class _Hint(ctypes.Structure):
    _fields_ = (
        ("at", ctypes.c_double),  # time.monotonic(); 0: there is none
        ("checksum", ctypes.c_uint32),
        ("key", ctypes.c_char * _KEY_BYTES),
    )


class WorkSignal:
    """Shared by one supervisor and its processors; any of them may notify."""

    def __init__(self, context: SpawnContext) -> None:
        # A semaphore, as nobody holds it and so nobody can die holding it.
        self._pending = context.Semaphore(0)
        self._hint = context.RawValue(_Hint)

    def notify(self, named: str | None = None) -> None:
        """There may be work: wake one waiting processor, else the next that waits.

        At most one wake-up is kept, because whoever gets it looks for scans afterwards and finds
        all of them: so if one is kept already, it names no scan any more.

        Args:
            named: the key of the only scan that it is about; None: any.
        """
        if self._pending.get_value() == 0:
            self._write(named)
            self._pending.release()
            return
        self._write(None)
        if self._pending.get_value() == 0:
            # Somebody took it meanwhile, maybe with the name of another scan: then it would claim
            # that one alone.
            self._pending.release()

    def notify_always(self) -> None:
        """Like ``notify``, but never coalesced: for a processor that must wake up."""
        self._pending.release()

    def wait(self, timeout_s: float) -> bool:
        """Wait for a wake-up, ``timeout_s`` seconds at most; returns whether one came."""
        return self._pending.acquire(timeout=timeout_s)

    def named(self) -> str | None:
        """The key of the scan that the last wake-up was for; None: look for scans."""
        at, checksum = self._hint.at, self._hint.checksum
        key: bytes = self._hint.key
        if not 0 <= time.monotonic() - at < HINT_S or checksum != _checksum(at, key):
            return None
        return key.decode(errors="replace")

    def _write(self, named: str | None) -> None:
        key = b"" if named is None else named.encode()
        if not 0 < len(key) < _KEY_BYTES:
            self._hint.at = 0.0
            return
        at = time.monotonic()
        self._hint.at, self._hint.key = at, key
        self._hint.checksum = _checksum(at, key)


def _checksum(at: float, key: bytes) -> int:
    return zlib.crc32(key, int(at * 1e6) & 0xFFFFFFFF)
