"""Beats of WFDB annotation files (.atr), as annot(5) of the WFDB Applications Guide has them."""

from collections.abc import Iterator
from pathlib import Path

BEATS = frozenset((*range(1, 14), 25, 30, 34, 35, 38, 41))
"""The codes that stand for beats."""

_SKIP, _AUX = 59, 63
_NOT_IN_TIME = (60, 61, 62)


def beats_of(path: Path) -> Iterator[int]:
    """The samples at which a file has beats, ascending."""
    data, at, sample = path.read_bytes(), 0, 0
    while at + 2 <= len(data):
        word = int.from_bytes(data[at : at + 2], "little")
        code, interval = word >> 10, word & 0x3FF
        at += 2
        if not word:
            return
        if code == _SKIP:
            high, low = (data[n : n + 2] for n in (at, at + 2))
            sample += int.from_bytes(low + high, "little", signed=True)
            at += 4
        elif code == _AUX:
            at += interval + interval % 2
        elif code not in _NOT_IN_TIME:
            sample += interval
            if code in BEATS:
                yield sample
