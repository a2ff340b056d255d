"""The times of R peaks as a short text, so that those of a whole day fit into a report.

A report has room for about 200 kB (``REPORT_BYTES_MAX``), and a day has 100,000 heartbeats. Times
are counted in steps of a few ms. The text holds, for each beat, how much longer the interval
before it is than the one before that, which is small in most rhythms:

* the difference d becomes the whole number 2d, or -2d - 1 if it is negative;
* a number below 48 is one digit to base 64; one below 48 + 15 * 64 is two, the first of them at
  least 48; any other is the digit 63 and seven digits;
* the first beat's interval starts at 0, and the interval before it counts as 0.

The digits are those of base64url (RFC 4648, section 5): A to Z, a to z, 0 to 9, ``-`` and ``_``.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
CHARACTERS_MAX = 150_000
"""Limit of the text, so that a report has room for the rest of its findings."""

STEPS_MS = (1, 2, 4, 8)
"""The steps that are tried, the finest first."""

_ONE = 48
_TWO = _ONE + 15 * 64
_LONG = 63
_LONG_DIGITS = 7
_LONGEST = 1 + _LONG_DIGITS
_LAST_MAX = 1 << 62
_WRONG = "the times of R peaks are not encoded as they should be"

_CODES = np.frombuffer(DIGITS.encode(), np.uint8)
_VALUES = np.full(256, -1)
_VALUES[_CODES] = np.arange(64)
_LENGTHS = np.where(_VALUES < _ONE, 1, np.where(_VALUES < _LONG, 2, _LONGEST))
_LENGTHS_OF = _LENGTHS.astype(np.uint8).tobytes()
"""How many digits a number has, by its first one."""


def encode(times_ms: Sequence[float]) -> tuple[int, int, str]:
    """Encode as many times as fit.

    Args:
        times_ms: times since the start of the record, ms, in ascending order.

    Returns:
        The step in ms, the number of times that are in the text, and the text.
    """
    step, listed, text = STEPS_MS[0], 0, ""
    times = np.asarray(times_ms, np.float64)
    for step in STEPS_MS:
        listed, text = _encode(np.rint(times / step).astype(np.int64))
        if listed == len(times_ms):
            break
    return step, listed, text


def decode(text: str, step_ms: int) -> tuple[int, ...]:
    """The times in ms, ascending.

    Raises:
        ValueError: the text does not come from ``encode``.
    """
    numbers = _numbers(text)
    intervals = np.cumsum(np.where(numbers % 2, -(numbers + 1) // 2, numbers // 2))
    if len(intervals) and intervals.min() < 0:
        raise ValueError("the times of R peaks are not in ascending order")
    if len(intervals) and int(intervals.max()) * len(intervals) * step_ms > _LAST_MAX:
        raise ValueError(_WRONG)
    return tuple((np.cumsum(intervals) * step_ms).tolist())


def _encode(steps: Ints) -> tuple[int, str]:
    """How many times fit, and their text."""
    changes = np.diff(np.diff(steps, prepend=0), prepend=0)
    numbers = np.where(changes >= 0, 2 * changes, -2 * changes - 1)
    lengths = np.where(numbers < _ONE, 1, np.where(numbers < _TWO, 2, _LONGEST))
    ends = np.cumsum(lengths)
    listed = int(np.searchsorted(ends, CHARACTERS_MAX, side="right"))
    numbers, lengths, ends = numbers[:listed], lengths[:listed], ends[:listed]
    digits = np.zeros(int(ends[-1]) if listed else 0, np.intp)
    one, two, long = (lengths == length for length in (1, 2, _LONGEST))
    digits[ends[one] - 1] = numbers[one]
    high, low = np.divmod(numbers[two] - _ONE, 64)
    digits[ends[two] - 2], digits[ends[two] - 1] = _ONE + high, low
    digits[ends[long] - _LONGEST] = _LONG
    for place in range(_LONG_DIGITS):
        digits[ends[long] - 1 - place] = numbers[long] >> 6 * place & 63
    return listed, _CODES[digits].tobytes().decode()


def _numbers(text: str) -> Ints:
    data = text.encode("ascii", "replace")  # by a question mark, which is no digit
    values: Any = _VALUES[np.frombuffer(data, np.uint8)]
    lengths = data.translate(_LENGTHS_OF)
    starts, at = [], 0
    while at < len(data):
        starts.append(at)
        at += lengths[at]
    if at != len(data) or (len(values) and values.min() < 0):
        raise ValueError(_WRONG)
    places = np.array(starts, np.intp)
    numbers = values[places]
    two = np.flatnonzero((numbers >= _ONE) & (numbers < _LONG))
    long = np.flatnonzero(numbers == _LONG)
    numbers[two] = _ONE + 64 * (numbers[two] - _ONE) + values[places[two] + 1]
    numbers[long] = 0
    for place in range(1, _LONGEST):
        numbers[long] = 64 * numbers[long] + values[places[long] + place]
    return np.asarray(numbers, np.int64)
