"""Whatever a client calls its files, they stay in the upload's folder."""

import time
from pathlib import PurePosixPath

import pytest

from fr_hub.web.uploads.names import UploadedNames, plain_path


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("a.nii.gz", "a.nii.gz"),
        ("study/sub-01/a.nii", "study/sub-01/a.nii"),
        ("../../etc/passwd", "etc/passwd"),
        ("/etc/passwd", "etc/passwd"),
        ("C:\\fakepath\\a.nii", "C:/fakepath/a.nii"),
        ("./a//b/./c", "a/b/c"),
        ("", "file"),
        ("..", "file"),
        ("a\x00b\n\x1b[1m\ud800\u202e.nii", "a_b__[1m__.nii"),
    ],
)
def test_a_name_is_kept_as_far_as_it_is_harmless(name: str, path: str) -> None:
    assert plain_path(name) == PurePosixPath(path)


def test_a_long_name_keeps_its_end() -> None:
    path = plain_path("ü" * 1000 + ".nii.gz")
    assert len(path.name.encode()) <= 200
    assert path.name.endswith("ü.nii.gz")
    assert len(plain_path("/".join("abc" * 40)).parts) == 16


def test_two_files_of_one_name_get_two_paths() -> None:
    names = UploadedNames()
    paths = [names.add(name) for name in ("a.nii", "a.nii", "a.nii/b", "c/d", "c", "c/d/e")]
    assert len(set(paths)) == 6
    files = set(paths)
    assert all(not files & set(path.parents) for path in paths)
    assert [path.name for path in paths] == ["a.nii", "a.nii", "b", "d", "c", "e"]


@pytest.mark.parametrize(
    "given",
    [
        ["a.nii"] * 20_000,
        [f"again-{n}" for n in range(2, 10_000)] + [f"{n}.nii" for n in range(5000)] * 2,
        ["c"] * 10_000 + [f"c/{n}" for n in range(10_000)],
        ["c/d"] * 10_000 + ["c", "c/d/e"] * 5000,
    ],
)
def test_many_files_of_one_name_take_as_long_as_others(given: list[str]) -> None:
    names = UploadedNames()
    began = time.process_time()
    files = [names.add(name) for name in given]
    assert time.process_time() - began < 10
    folders = {above for path in files for above in path.parents} - {PurePosixPath()}
    assert len(set(files)) == len(given)
    assert not folders & set(files)
    assert names.entries == len(files) + len(folders)


def test_pairs_of_one_name_stay_together() -> None:
    names = UploadedNames()
    paths = [names.add(name) for name in ("s/a.hdr", "s/a.img") * 3]
    assert [path.parent.as_posix() for path in paths[::2]] == ["s", "again-2/s", "again-3/s"]
    assert [path.parent for path in paths[::2]] == [path.parent for path in paths[1::2]]
