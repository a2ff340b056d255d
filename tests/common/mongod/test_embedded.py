import os
import shutil
from pathlib import Path
from typing import Any

import pymongo
import pytest

from common.errors import MongodError
from common.mongod import embedded as mongod
from common.mongod.embedded import find_mongod, start_mongod


def test_a_path_too_long_for_a_socket_works(tmp_path: Path) -> None:
    far = tmp_path / ("a" * 120)
    running = start_mongod(far, find_mongod())
    try:
        with pymongo.MongoClient[dict[str, Any]](running.uri) as client:
            assert client.admin.command("ping")["ok"] == 1
        assert running.socket.parent.stat().st_mode & 0o777 == 0o700
        assert running.socket.stat().st_mode & 0o777 == 0o600
    finally:
        running.stop()
        running.socket.parent.rmdir()


def test_a_link_in_place_of_the_socket_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "socket").symlink_to("/tmp")  # noqa: S108
    with pytest.raises(MongodError, match="not a folder of this user"):
        start_mongod(tmp_path, find_mongod())


def test_without_a_mongod_the_error_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(MongodError, match=r"no mongod found: install .* FR_MONGOD .* MONGODB_URI"):
        find_mongod()


def test_the_error_for_a_mongod_that_does_not_run_quotes_its_output(tmp_path: Path) -> None:
    broken = tmp_path / "mongod"
    broken.write_text("#!/bin/sh\necho 'cannot open libcrypto.so.3' >&2\nexit 127\n")
    broken.chmod(0o755)
    with pytest.raises(MongodError, match=r"does not run here: cannot open libcrypto\.so\.3"):
        find_mongod(broken)


def test_the_error_names_a_missing_mongod(tmp_path: Path) -> None:
    with pytest.raises(MongodError, match="nothing is not a file"):
        find_mongod(tmp_path / "nothing")


def test_the_mongod_on_the_path_takes_precedence_over_the_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mongod").symlink_to(find_mongod())
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_mongod() == tmp_path / "mongod"


def test_a_wheel_installed_without_the_x_bit_still_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = tmp_path / "mongod"
    shutil.copyfile("/bin/true", plain)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(mongod, "_find_in_wheel", lambda: plain)
    assert find_mongod() == plain
    assert os.access(plain, os.X_OK)


def test_a_read_only_wheel_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = tmp_path / "mongod"
    shutil.copyfile("/bin/true", plain)
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    copy = mongod._copy_executable(plain)
    assert copy.read_bytes() == plain.read_bytes()
    assert os.access(copy, os.X_OK)


def test_the_error_quotes_options_that_mongod_rejects(tmp_path: Path) -> None:
    with pytest.raises(MongodError, match="unrecognised option '--bogus'"):
        start_mongod(tmp_path, find_mongod(), "--bogus")
