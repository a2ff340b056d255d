"""Huffman codes of SCP-ECG (EN 1064, section 2): how samples are packed into bits."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from common.errors import SourceError

DEFAULT_TABLE = 19_999
"""In the place of a number of tables: the default one is used."""

_BITS_MAX = 32


@dataclass(frozen=True, slots=True)
class Code:
    """A code: what its prefix stands for.

    Args:
        bits: of the prefix.
        total: of the prefix with the value behind it.
        value: what it stands for; or the number of the table that follows, from 1, if it
            ``switches``.
        prefix: the bits, the first one lowest.
    """

    bits: int
    total: int
    value: int
    prefix: int
    switches: bool = False


_SMALL = [
    Code(magnitude + 2, magnitude + 2, sign * magnitude, int(f"{bit}0" + "1" * magnitude, 2))
    for magnitude in range(1, 9)
    for sign, bit in ((1, 0), (-1, 1))
]
DEFAULT: tuple[Code, ...] = (
    Code(1, 1, 0, 0),
    *_SMALL,
    Code(10, 18, 0, 0b0111111111),
    Code(10, 26, 0, 0b1111111111),
)
"""The default table: 0, the numbers to 8, then whole ones of 8 and of 16 bits."""


def decode(data: bytes, count: int, tables: Sequence[Sequence[Code]]) -> list[int]:
    """Unpack ``count`` numbers.

    Raises:
        SourceError: there are fewer, or bits that no code has.
    """
    known = [{(one.bits, one.prefix): one for one in table} for table in tables]
    bits = np.unpackbits(np.frombuffer(data, np.uint8)).tolist()
    numbers: list[int] = []
    table, at, end = known[0], 0, len(bits)
    while len(numbers) < count:
        prefix, length, code = 0, 0, None
        while code is None and length < _BITS_MAX and at < end:
            prefix |= bits[at] << length
            at, length = at + 1, length + 1
            code = table.get((length, prefix))
        if code is None:
            raise SourceError("its packed samples are cut off or damaged: export it again")
        if code.switches:
            if not 1 <= code.value <= len(known):
                raise SourceError("its packed samples name a missing table: export it again")
            table = known[code.value - 1]
            continue
        extra = code.total - code.bits
        numbers.append(_signed(bits[at : at + extra]) if extra else code.value)
        at += extra
        if at > end:
            raise SourceError("its packed samples are cut off or damaged: export it again")
    return numbers


def _signed(bits: list[int]) -> int:
    """A number in two's complement, the highest bit first."""
    value = -bits[0] if bits else 0
    for bit in bits[1:]:
        value = 2 * value + bit
    return value
