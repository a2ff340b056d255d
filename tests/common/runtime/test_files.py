import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.runtime.files import write_whole


@pytest.fixture(params=[0o022, 0o027, 0o077, 0o002], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.parametrize("replace", [True, False])
def test_a_new_file_has_the_mode_that_the_umask_leaves(
    umask: int, replace: bool, tmp_path: Path
) -> None:
    path = tmp_path / "report.json"
    write_whole(path, b"content", replace=replace)
    assert mode(path) == 0o666 & ~umask
    assert path.read_bytes() == b"content"


def test_a_file_that_was_narrowed_stays_narrow(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    write_whole(path, b"one")
    path.chmod(0o600)
    write_whole(path, b"two")
    assert (mode(path), path.read_bytes()) == (0o600, b"two")


def test_an_existing_file_is_kept_if_it_is_not_to_be_replaced(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    write_whole(path, b"one")
    write_whole(path, b"two", replace=False)
    assert path.read_bytes() == b"one"


def test_nothing_is_left_beside_it(tmp_path: Path) -> None:
    write_whole(tmp_path / ("x" * 255), b"content")
    with pytest.raises(IsADirectoryError):
        write_whole(tmp_path, b"content")
    assert [path.name for path in tmp_path.iterdir()] == ["x" * 255]
