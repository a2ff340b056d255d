"""Requests and answers: what goes in comes out, and nothing else is taken."""

import io
import json
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from common.errors import SourceError
from common.formats.dicom.attributes import Attributes
from common.formats.dicom.slices import VOLUME_TAGS, Claims, Geometry, Slice
from common.formats.nifti.layout import Layout
from common.formats.not_a_scan import NotAScan, UnreadKind
from common.formats.reading import messages

PLANE = Slice(
    path=Path("a.dcm"),
    label="folder/a.dcm",
    frame=3,
    series="1.2",
    owner="0a",
    protocol="0b",
    uid="1.2.3",
    instance=None,
    rows=3,
    columns=4,
    bits=16,
    slope=0.1,
    intercept=-1024.0,
    geometry=Geometry((1.5, 2.0, 3.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (2.0, 1.5), 4.0),
    claims=Claims(12, None, 3.0, None, -4.5, "0a1b", 3),
    volume_keys=("1", "é", *[""] * (len(VOLUME_TAGS) - 2)),
    role="diffusion, b1000",
    damage="truncated",
    problems=("slope_zero",),
    acquired_at=datetime(2024, 5, 17, 12, 0, 0, 250_000, tzinfo=UTC),
    subject="0123456789abcdef",
    stamp=(999, 1_700_000_000_123_456_789),
    tiles=6,
    patient="fedcba9876543210",
    attributes=Attributes("1.2.3", "MR", "t1", "HEAD", is_zone_known=True),
)
LAYOUT = Layout(
    (2, 3, 4), 5, np.dtype(">i2"), 352, 0.1, -3.0, ((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0.1))
)


def sent(message: messages.Message) -> messages.Message:
    return messages.read_message(io.BytesIO(messages.encode(message)).read)


@pytest.mark.parametrize("plane", [PLANE, replace(PLANE, geometry=None, acquired_at=None)])
def test_a_slice_arrives_without_its_name_and_subject(plane: Slice) -> None:
    message = sent(messages.slice_message(plane))
    assert "a.dcm" not in json.dumps(message)
    assert "0123456789abcdef" not in json.dumps(message)
    assert "fedcba9876543210" not in json.dumps(message)
    known = (plane.path, plane.label, plane.subject, plane.patient, plane.attributes)
    assert messages.slice_of(message, *known) == plane


def test_the_attributes_of_a_file_arrive() -> None:
    for attributes in (PLANE.attributes, Attributes()):
        assert messages.attributes_in(sent(asdict(attributes))) == attributes


@pytest.mark.parametrize(
    "change",
    [
        {"study": 1},
        {"is_zone_known": "yes"},
        {"modality": "Doe^Jane"},
        {"contrast": "Jane"},
        {"body_part": "Jane"},
        {"more": 1},
    ],
    ids=str,
)
def test_attributes_that_no_file_has_are_refused(change: dict[str, object]) -> None:
    with pytest.raises((ValueError, TypeError)):
        messages.attributes_in({**asdict(Attributes()), **change})


def test_a_nifti_header_arrives() -> None:
    assert messages.layout_of(sent(messages.layout_message(LAYOUT))) == LAYOUT


@pytest.mark.parametrize("name", ["O", "<i3", "V8", "<M8", "", None, "<f8\n", "<f8,<f8"])
def test_only_numbers_are_types(name: object) -> None:
    with pytest.raises(ValueError, match="dtype"):
        messages.dtype_of(name)


@pytest.mark.parametrize("change", [{"rows": "x"}, {"volume_keys": []}, {"stamp": [1]},
                                    {"claims": [1]}, {"role": "DOE^JOHN"}, {"problems": ["J D"]},
                                    {"geometry": {"position": [1]}}])  # fmt: skip
def test_a_slice_that_is_none_is_refused(change: messages.Message) -> None:
    message = {**messages.slice_message(PLANE), **change}
    with pytest.raises((ValueError, KeyError, TypeError)):
        messages.slice_of(message, PLANE.path, "", None)


def test_a_long_message_is_refused_before_it_is_read() -> None:
    with pytest.raises(ValueError, match="too long"):
        messages.read_message(io.BytesIO(b"\xff" * 4).read)
    with pytest.raises(ValueError, match="not a message"):
        messages.read_message(io.BytesIO(b"\2\0\0\0[]").read)


@pytest.mark.parametrize("kind", [SourceError, UnreadKind])
def test_an_error_keeps_its_kind_and_loses_what_acts_on_a_terminal(
    kind: type[SourceError],
) -> None:
    error = messages.error_of(sent(messages.error_message(kind("a\x1b[2J" + "b" * 999))))
    assert type(error) is kind
    assert str(error).startswith("a?[2Jbbb")
    assert len(str(error)) == messages.REASON_MAX


def test_a_kind_that_is_no_scan_keeps_its_code_if_it_is_one() -> None:
    error = messages.error_of(sent(messages.error_message(NotAScan("waveform"))))
    assert isinstance(error, NotAScan)
    assert error.kind == "waveform"
    forged = messages.error_of({"error": "NotAScan", "kind": "a\x1b[2J"})
    assert isinstance(forged, NotAScan)
    assert forged.kind == "other"


def test_members_of_an_archive_survive_and_others_are_refused() -> None:
    members = [("a/b", 3), ("c", 0)]
    assert messages.members_of(sent({"members": members})) == members
    for wrong in ([("a", -1)], [("a",)], [("a", "x")], [("a", 1)] * 65_536):
        with pytest.raises((ValueError, TypeError)):
            messages.members_of({"members": wrong})


def test_a_path_does_not_depend_on_the_folder() -> None:
    assert messages.encode_path(Path("a")) == str(Path.cwd() / "a")
