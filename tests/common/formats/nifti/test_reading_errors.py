"""What goes wrong while a NIfTI file is read is a SourceError that says what to do."""

import gzip
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.errors import SourceError
from common.formats.nifti.reading_errors import as_source_error
from tests.common.formats.nifti.nifti_files import Save, image, read_volume, reason, volumes_in


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_what_is_not_nifti_says_so(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"")
    assert reason(path) == "the file is empty: copy it again"
    path.write_bytes(b"hello" * 200)
    assert "not a NIfTI file" in reason(path)


@pytest.mark.parametrize("kept", [0.3, 0.9, 0.999])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_a_file_that_is_cut_short_says_so(save: Save, name: str, kept: float) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (20, 20, 20), np.uint8)
    path = save(noise, name)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    assert "the file is truncated" in reason(path)


def test_a_packed_file_without_its_checksum_is_cut_short(save: Save) -> None:
    path = save(np.zeros((9, 9, 9), np.uint8), "a.nii.gz")
    path.write_bytes(path.read_bytes()[:-4])
    assert "the file is truncated" in reason(path)


def test_a_damaged_packed_file_says_so(save: Save) -> None:
    path = save(np.zeros((9, 9, 9), np.uint8), "a.nii.gz")
    data = bytearray(path.read_bytes())
    data[-6] ^= 1  # in the checksum
    path.write_bytes(data)
    assert "the compressed data is damaged: copy the file again" in reason(path)


def test_a_file_that_goes_away_is_refused(save: Save) -> None:
    path = save(np.zeros((2, 2, 2), np.uint8))
    [volume] = volumes_in(path, "label")
    path.unlink()
    with pytest.raises(SourceError, match="cannot be read: No such file") as caught:
        read_volume(volume)
    assert isinstance(caught.value.__cause__, FileNotFoundError)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    packed=st.booleans(),
    hits=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=6),
    kept=st.integers(0, 500),
)
def test_whatever_is_wrong_with_a_file_is_a_source_error(
    tmp_path_factory: pytest.TempPathFactory,
    packed: bool,
    hits: list[tuple[int, int]],
    kept: int,
) -> None:
    whole = bytearray(image(np.arange(48, dtype=np.int16).reshape(4, 4, 3)).to_bytes())
    for place, value in hits:
        whole[place] = value
    path = tmp_path_factory.getbasetemp() / "fuzzed.nii"
    path.write_bytes(gzip.compress(whole) if packed else whole[:kept])
    with suppress(SourceError):
        for volume in volumes_in(path, "label")[:5]:
            assert read_volume(volume)[0].flags.f_contiguous


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (EOFError(), "the file is truncated"),
        (PermissionError(13, "Permission denied"), "cannot be read: Permission denied"),
        (MemoryError(), "not enough memory"),
        (
            ValueError("bad dim"),
            r"the NIfTI header is not valid \(ValueError\): export the image again",
        ),
    ],
)
def test_each_cause_gets_its_text_and_stays_chained(raised: Exception, expected: str) -> None:
    with pytest.raises(SourceError, match=expected) as caught, as_source_error():
        raise raised
    assert caught.value.__cause__ is raised


def test_a_source_error_passes_unchanged() -> None:
    ours = SourceError("ours")
    with pytest.raises(SourceError) as caught, as_source_error():
        raise ours
    assert caught.value is ours
