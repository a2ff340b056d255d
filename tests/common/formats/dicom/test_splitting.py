"""Volumes of one grid are told apart by contrast, time or number, and never guessed."""

import itertools
from pathlib import Path
from typing import Any

import pytest

from common.errors import SourceError
from common.formats.dicom.slices import Slice
from common.formats.dicom.splitting import by_contrast, by_time
from common.formats.dicom.stack import Stack
from tests.common.formats.dicom.dicom_files import Write, found, slices_of


def planes(write: Write, *changes: dict[str, Any]) -> list[Slice]:
    return [
        plane
        for n, one in enumerate(changes)
        for plane in slices_of(write(n, **{"InstanceNumber": n, **one}))
    ]


def at(place: float) -> list[float]:
    return [0, 0, place]


def test_a_value_that_each_slice_has_for_itself_tells_no_contrasts_apart(write: Write) -> None:
    found = planes(
        write, *({"ImagePositionPatient": at(k), "InversionTime": 100 + k} for k in range(6))
    )
    assert len(by_contrast(found)) == 1
    found = planes(
        write, *({"ImagePositionPatient": at(k), "InversionTime": 100 + k % 2} for k in range(6))
    )
    assert [part.details for part in by_contrast(found)] == [
        ("InversionTime 1 of 2",),
        ("InversionTime 2 of 2",),
    ]


def test_a_lost_slice_never_shifts_those_of_other_volumes(write: Write) -> None:
    """By the n-th occurrence, slices of the second volume would fill the first one."""
    numbered = list(itertools.product((0, 1, 2), range(4)))
    del numbered[1]
    found = planes(write, *({"ImagePositionPatient": at(k)} for _, k in numbered))
    volumes = by_time(found)
    assert [[plane.instance for plane in part.slices] for part in volumes] == [
        [0, 1, 2],
        [3, 4, 5, 6],
        [7, 8, 9, 10],
    ]


def test_slices_numbered_place_by_place_are_not_guessed_when_one_is_lost(write: Write) -> None:
    numbered = list(itertools.product(range(4), (0, 1, 2)))
    whole = planes(write, *({"ImagePositionPatient": at(k)} for k, _ in numbered))
    assert [len(part.slices) for part in by_time(whole)] == [4, 4, 4]
    with pytest.raises(SourceError, match="have the same position"):
        by_time(whole[:4] + whole[5:])


@pytest.mark.parametrize(
    ("keyword", "values"),
    [("RepetitionTime", (500, 2000)), ("AcquisitionNumber", (1, 2))],
)
def test_volumes_whose_slices_lie_between_each_others_are_never_one(
    write: Write, keyword: str, values: tuple[int, int]
) -> None:
    places = {2 * k + n: 5.0 * k + 2.5 * n for k in range(4) for n in (0, 1)}

    def written(spacing: float) -> list[Path]:
        return [
            write(
                number + 1,
                ImagePositionPatient=[10, 20, z],
                SpacingBetweenSlices=spacing,
                **{keyword: values[number % 2]},
            )
            for number, z in places.items()
        ]

    volumes = [stack for _, stack in found(*written(5.0))]
    for stack, first in zip(volumes, (0, 1), strict=True):
        assert isinstance(stack, Stack)
        instances = [plane.instance for plane in stack.slices]
        assert instances == [first + 1 + 2 * k for k in range(4)]
        assert stack.problems == ()
    # Acquired in two passes: slices of one volume.
    [(_, stack)] = found(*written(2.5))
    assert isinstance(stack, Stack)
    assert (len(stack.slices), stack.problems) == (8, ())


def test_slices_that_lie_closer_than_the_header_says_are_told(write: Write) -> None:
    paths = [
        write(k, ImagePositionPatient=[10, 20, 2.5 * k], SpacingBetweenSlices=5.0)
        for k in range(1, 9)
    ]
    [(_, stack)] = found(*paths)
    assert isinstance(stack, Stack)
    assert stack.problems == ("positions_contradict",)


@pytest.mark.parametrize("times", [("500", "3000"), ("500", "1500", "3000")])
def test_repetition_times_in_turn_are_contrasts_without_any_spacing(
    write: Write, times: tuple[str, ...]
) -> None:
    count = 4 * len(times)
    paths = [write(k, RepetitionTime=times[k % len(times)]) for k in range(1, count + 1)]
    stacks = [stack for _, stack in found(*paths) if isinstance(stack, Stack)]
    assert [len(stack.slices) for stack in stacks] == [4] * len(times)


def test_a_repetition_time_that_follows_the_heartbeat_leaves_one_volume(write: Write) -> None:
    times = ["800", "810", "800", "800", "820", "810", "800", "820", "810"]
    paths = [write(k, RepetitionTime=time) for k, time in enumerate(times, 1)]
    assert [len(stack.slices) for _, stack in found(*paths) if isinstance(stack, Stack)] == [9]


@pytest.mark.parametrize(
    ("keyword", "values"),
    [
        ("EchoTime", ("5", "90")),
        ("InversionTime", ("100", "900")),
        ("FlipAngle", ("8", "20")),
        ("KVP", ("80", "120")),
        ("ConvolutionKernel", ("H30", "H60")),
        ("FilterType", ("HEAD", "BODY")),
        ("GantryDetectorTilt", ("0", "12")),
        ("ScanOptions", ("FS", "MT")),
        ("ImageType", (["ORIGINAL", "PRIMARY", "M"], ["ORIGINAL", "PRIMARY", "P"])),
    ],
)
def test_slices_that_alternate_in_a_setting_are_never_one_volume(
    write: Write, keyword: str, values: tuple[object, object]
) -> None:
    paths = [write(k, **{keyword: values[k % 2]}) for k in range(1, 9)]
    assert [len(stack.slices) for _, stack in found(*paths) if isinstance(stack, Stack)] == [4, 4]
