"""The secret in DATA_DIR: made once, by whoever comes first, and this user's alone."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from common.errors import SettingsError
from common.settings.local_secret import FILE, existing_secret, local_secret
from tests.factories import together
from tests.processes import ROOT


def test_it_is_made_once_in_a_folder_of_this_user(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "data"
    secret = local_secret(folder)
    assert len(secret) == 64
    assert local_secret(folder) == secret
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / FILE).stat().st_mode) == 0o600
    assert [path.name for path in folder.iterdir()] == [FILE]
    assert local_secret(tmp_path / "other") != secret


def test_units_that_start_at_once_find_the_same_one(tmp_path: Path) -> None:
    secrets = together(16, lambda _: local_secret(tmp_path / "data"))
    assert len(set(secrets)) == 1
    assert [path.name for path in (tmp_path / "data").iterdir()] == [FILE]


def test_processes_that_start_at_once_find_the_same_one(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from common.settings.local_secret import local_secret\n"
        "sys.stdin.read()\nprint(local_secret(Path(sys.argv[1])))\n"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "data")],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in running:
        assert process.stdin is not None
        process.stdin.close()
    said = set()
    for process in running:
        assert process.stdout is not None
        with process:
            said.add(process.stdout.read())
        assert process.returncode == 0
    assert len(said) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    local_secret(tmp_path)
    (tmp_path / FILE).chmod(mode)
    with pytest.raises(SettingsError, match="a file of this user alone: run chmod 600"):
        local_secret(tmp_path)


def test_a_link_is_refused(tmp_path: Path) -> None:
    local_secret(tmp_path / "other")
    (tmp_path / FILE).symlink_to(tmp_path / "other" / FILE)
    with pytest.raises(SettingsError, match="DATA_DIR: "):
        local_secret(tmp_path)


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o707])
def test_a_folder_in_which_others_may_exchange_it_is_refused(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(SettingsError, match="run chmod 700"):
        local_secret(folder)
    assert not list(folder.iterdir())


def test_another_users_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    local_secret(tmp_path)
    monkeypatch.setattr("common.settings.local_secret._check_folder", lambda _: None)
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(SettingsError, match="a file of this user alone"):
        local_secret(tmp_path)


@pytest.mark.parametrize("content", ["", "short\n", "0" * 63 + "\n", "é" * 64 + "\n", "0" * 64])
def test_a_damaged_one_is_refused_and_not_quoted(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).touch(0o600)
    (tmp_path / FILE).write_text(content)
    with pytest.raises(SettingsError, match="it holds no secret: remove it") as raised:
        local_secret(tmp_path)
    assert "0000" not in str(raised.value)


def test_a_folder_that_cannot_be_made_is_a_wrong_setting(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match=r"^DATA_DIR: .*set SHARED_SECRET or PACS_KEY"):
        local_secret(tmp_path / "file" / "data")


def test_a_secret_that_must_exist_is_not_made(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "typo"):
        with pytest.raises(SettingsError, match="there is no secret"):
            existing_secret(folder)
    assert list(tmp_path.iterdir()) == []
    assert local_secret(tmp_path / "data") == existing_secret(tmp_path / "data")
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="DATA_DIR"):
        existing_secret(tmp_path / "file")
