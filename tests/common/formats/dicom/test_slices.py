"""A slice: its normal, its position along it, and its name."""

from pathlib import Path

import pytest

from common.formats.dicom.slices import NO_CLAIMS, Geometry, Slice


def geometry(position: tuple[float, ...] = (10, 20, 30)) -> Geometry:
    """A coronal slice: rows run to the left, columns towards the feet."""
    return Geometry(position, (1, 0, 0), (0, 0, -1), (2.0, 1.5), 4.0)


def a_slice(frame: int | None = None, instance: int | None = None) -> Slice:
    """A slice of which only the name matters."""
    return Slice(
        path=Path("a.dcm"),
        label="folder/a.dcm",
        frame=frame,
        series="1.2",
        owner="",
        protocol="",
        uid="1.2.3",
        instance=instance,
        rows=3,
        columns=4,
        bits=16,
        slope=1,
        intercept=0,
        geometry=geometry(),
        claims=NO_CLAIMS,
        volume_keys=(),
        role="anatomical",
        damage="",
        problems=(),
        acquired_at=None,
        subject=None,
        stamp=(0, 0),
    )


def test_the_normal_is_row_cross_column() -> None:
    assert geometry().normal == (0, 1, 0)


@pytest.mark.parametrize("position", [(10, 20, 30), (-5, 20, 99)])
def test_the_distance_is_the_position_along_the_normal(position: tuple[float, ...]) -> None:
    assert geometry(position).distance == 20


def test_the_cosines_are_those_of_the_row_then_those_of_the_column() -> None:
    assert geometry().cosines == (1, 0, 0, 0, 0, -1)


def test_a_slice_is_named_by_frame_then_instance_then_file() -> None:
    assert a_slice(frame=0, instance=7).name == "frame 1"
    assert a_slice(instance=7).name == "instance 7"
    assert a_slice().name == "folder/a.dcm"
