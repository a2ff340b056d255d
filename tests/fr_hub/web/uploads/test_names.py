"""Whatever a client calls its files, they stay in the upload's folder."""

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
