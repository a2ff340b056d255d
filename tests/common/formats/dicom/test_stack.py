"""A stack of DICOM slices, as their headers describe it."""

from dataclasses import replace

from common.formats.dicom.stack import Stack, is_identity
from tests.common.formats.dicom.dicom_files import Write, found


def test_the_memory_that_a_series_takes_is_told_before_it_is_read(write: Write) -> None:
    [(_, stack)] = found(write(1))
    assert isinstance(stack, Stack)
    stack = replace(stack, slices=(replace(stack.slices[0], rows=60000, columns=60000),))
    assert stack.declared_bytes == 60000 * 60000 * 2


def test_rescaled_values_take_four_bytes(write: Write) -> None:
    [(_, stack)] = found(*(write(k, RescaleSlope=0.5, RescaleIntercept=0) for k in (1, 2)))
    assert isinstance(stack, Stack)
    assert not is_identity(stack.slices)
    assert (stack.declared_bytes, stack.frames) == (4 * 3 * 2 * 4, 2)
