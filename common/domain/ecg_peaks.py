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

from collections.abc import Iterator, Sequence

DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
CHARACTERS_MAX = 150_000
"""Limit of the text, so that a report has room for the rest of its findings."""

STEPS_MS = (1, 2, 4, 8)
"""The steps that are tried, the finest first."""

_VALUES = {digit: value for value, digit in enumerate(DIGITS)}
_ONE = 48
_TWO = _ONE + 15 * 64
_LONG = 63
_LONG_DIGITS = 7


def encode(times_ms: Sequence[float]) -> tuple[int, int, str]:
    """Encode as many times as fit.

    Args:
        times_ms: times since the start of the record, ms, in ascending order.

    Returns:
        The step in ms, the number of times that are in the text, and the text.
    """
    step, listed, text = STEPS_MS[0], 0, ""
    for step in STEPS_MS:
        listed, text = _encode([round(time / step) for time in times_ms])
        if listed == len(times_ms):
            break
    return step, listed, text


def decode(text: str, step_ms: int) -> tuple[int, ...]:
    """The times in ms, ascending.

    Raises:
        ValueError: the text does not come from ``encode``.
    """
    times, time, interval = [], 0, 0
    for number in _numbers(text):
        interval += -(number + 1) // 2 if number % 2 else number // 2
        time += interval
        if interval < 0:
            raise ValueError("the times of R peaks are not in ascending order")
        times.append(time * step_ms)
    return tuple(times)


def _encode(steps: Sequence[int]) -> tuple[int, str]:
    parts: list[str] = []
    length = before = interval = 0
    for count, step in enumerate(steps):
        change = step - before - interval
        interval, before = step - before, step
        part = _digits(2 * change if change >= 0 else -2 * change - 1)
        length += len(part)
        if length > CHARACTERS_MAX:
            return count, "".join(parts)
        parts.append(part)
    return len(steps), "".join(parts)


def _digits(number: int) -> str:
    if number < _ONE:
        return DIGITS[number]
    if number < _TWO:
        high, low = divmod(number - _ONE, 64)
        return DIGITS[_ONE + high] + DIGITS[low]
    places = range(_LONG_DIGITS - 1, -1, -1)
    return DIGITS[_LONG] + "".join(DIGITS[number >> 6 * place & 63] for place in places)


def _numbers(text: str) -> Iterator[int]:
    try:
        values = iter([_VALUES[digit] for digit in text])
        for value in values:
            if value < _ONE:
                yield value
            elif value < _LONG:
                yield _ONE + 64 * (value - _ONE) + next(values)
            else:
                number = 0
                for _ in range(_LONG_DIGITS):
                    number = 64 * number + next(values)
                yield number
    except (KeyError, StopIteration, RuntimeError):
        raise ValueError("the times of R peaks are not encoded as they should be") from None
