import os
import shutil
from pathlib import Path
from typing import Any

import pymongo
import pytest

from common.errors import MongodError
from common.mongod import embedded as mongod
from common.mongod.embedded import find_mongod, start_mongod


def test_a_path_too_long_for_a_socket_is_no_obstacle(tmp_path: Path) -> None:
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


def test_nobody_can_lay_a_link_where_the_sockets_go(tmp_path: Path) -> None:
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


def test_a_mongod_that_does_not_run_here_is_refused_with_its_own_words(tmp_path: Path) -> None:
    broken = tmp_path / "mongod"
    broken.write_text("#!/bin/sh\necho 'cannot open libcrypto.so.3' >&2\nexit 127\n")
    broken.chmod(0o755)
    with pytest.raises(MongodError, match=r"does not run here: cannot open libcrypto\.so\.3"):
        find_mongod(broken)


def test_a_mongod_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MongodError, match="nothing is not a file"):
        find_mongod(tmp_path / "nothing")


def test_the_mongod_on_the_path_comes_before_the_wheels(
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
    monkeypatch.setattr(mongod, "_in_wheel", lambda: plain)
    assert find_mongod() == plain
    assert os.access(plain, os.X_OK)


def test_a_wheel_that_cannot_be_changed_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = tmp_path / "mongod"
    shutil.copyfile("/bin/true", plain)
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    copy = mongod._copied(plain)
    assert copy.read_bytes() == plain.read_bytes()
    assert os.access(copy, os.X_OK)


def test_options_that_mongod_refuses_are_quoted(tmp_path: Path) -> None:
    with pytest.raises(MongodError, match="unrecognised option '--bogus'"):
        start_mongod(tmp_path, find_mongod(), "--bogus")
