"""Envelopes of signals: at each resolution the lowest and highest sample, read once."""

import math
import threading
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest

from fr_hub.web.envelopes import KEPT_STEP, STEPS, Envelopes, ReadBytes
from tests.factories import make_ecg, together

Samples = npt.NDArray[np.float32]


def signal(count: int, leads: int = 2) -> Samples:
    samples = np.random.default_rng(count).normal(size=(count, leads)).astype(np.float32)
    samples[count // 2 : count // 2 + 5] = np.nan
    return samples


def reader(data: bytes, reads: list[int]) -> ReadBytes:
    def read(start: int, end: int) -> Iterator[bytes]:
        reads.append(end - start)
        yield data[start:end]

    return read


def expected(samples: Samples, step: int, first: int, last: int) -> Samples:
    blocks = [samples[n * step : (n + 1) * step] for n in range(first, last)]
    lows = [np.fmin.reduce(block) for block in blocks]
    highs = [np.fmax.reduce(block) for block in blocks]
    return np.stack([np.array(lows).T, np.array(highs).T], axis=-1)


@pytest.mark.parametrize("count", [1, 7, 1023, 100_001])
def test_each_resolution_is_that_of_the_samples(count: int) -> None:
    samples = signal(count)
    scan, data = make_ecg(samples)
    envelopes = Envelopes()
    for step in STEPS:
        columns = math.ceil(count / step)
        for first, last in ((0, columns), (columns // 3, columns // 3 + 40)):
            made = envelopes.of(scan, reader(data, []), step, first, last - first)
            last = min(last, columns)
            if step == 1:
                assert np.array_equal(made[..., 0], samples[first:last].T, equal_nan=True)
            else:
                wanted = expected(samples, step, first, last)
                assert np.array_equal(made, wanted, equal_nan=True)


def test_a_coarse_envelope_reads_the_signal_once_however_many_ask() -> None:
    scan, data = make_ecg(signal(300_000))
    envelopes, reads = Envelopes(), list[int]()
    read, ready = reader(data, reads), threading.Barrier(4)

    def ask(n: int) -> int:
        ready.wait(10)
        return len(envelopes.of(scan, read, 4 * KEPT_STEP, n, 10)[0])

    assert together(4, ask) == [10] * 4
    assert sum(reads) == len(data)
