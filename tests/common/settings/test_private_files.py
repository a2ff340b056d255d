"""Files of keys and secrets: their modes, as ssh judges them."""

import os
from pathlib import Path

import pytest

from common.errors import SettingsError
from common.settings import private_files
from common.settings.base import Settings
from common.settings.hub import HubSettings
from common.settings.pacs import PacsSettings
from common.settings.private_files import check_private, make_private, read_private
from common.wire.tls import Tls
from tests.common.settings.reading import error_for, secret_file
from tests.common.wire.tls_files import HUB, issued


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_a_file_of_this_user_alone_is_read(tmp_path: Path, mode: int) -> None:
    path = secret_file(tmp_path / "secret", b" hush\n")
    path.chmod(mode)
    assert read_private(path, "NAME") == "hush"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o644, 0o610])
def test_a_file_that_others_may_read_or_change_is_refused_and_not_read(
    tmp_path: Path, mode: int
) -> None:
    path = secret_file(tmp_path / "secret", b"hush")
    path.chmod(mode)
    with pytest.raises(ValueError, match=f"mode {mode:04o}") as raised:
        read_private(path, "NAME")
    assert str(raised.value).startswith(f"NAME={str(path)!r}: ")
    assert str(raised.value).endswith(f"run chmod 600 {path}")
    assert "hush" not in str(raised.value)


def test_a_link_is_judged_by_what_it_leads_to(tmp_path: Path) -> None:
    path = secret_file(tmp_path / "secret", b"hush")
    (tmp_path / "link").symlink_to(path)
    assert read_private(tmp_path / "link", "NAME") == "hush"
    path.chmod(0o644)
    with pytest.raises(ValueError, match="chmod 600"):
        read_private(tmp_path / "link", "NAME")


def test_a_file_of_another_user_is_theirs_to_judge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = secret_file(tmp_path / "secret", b"hush")
    path.chmod(0o644)
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    check_private(path, "NAME")


def test_what_a_container_runtime_mounts_is_for_this_container_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = secret_file(tmp_path / "secret", b"hush")
    path.chmod(0o444)
    monkeypatch.setattr(private_files, "MOUNTED", tmp_path)
    assert read_private(path, "NAME") == "hush"


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (HubSettings, "SHARED_SECRET_FILE"),
        (HubSettings, "MONGODB_URI_FILE"),
        (PacsSettings, "PACS_KEY_FILE"),
    ],
)
def test_each_setting_that_names_such_a_file_refuses_a_loose_one(
    kind: type[Settings], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret_file("secret", b"hush" * 16).chmod(0o644)
    monkeypatch.setenv(name, "secret")
    message = error_for(kind)
    assert f"{name}='secret': other users may read or change this file" in message
    assert "hush" not in message


def test_a_loose_key_of_a_certificate_is_refused(tmp_path: Path) -> None:
    folder = issued(tmp_path, HUB)
    files = (folder / f"{HUB}.pem", folder / f"{HUB}.key", folder / "ca.pem")
    Tls.load(*files)
    files[1].chmod(0o640)
    with pytest.raises(SettingsError, match=r"TLS_KEY=.*chmod 600"):
        Tls.load(*files)


def test_a_loose_key_of_the_authority_is_refused(tmp_path: Path) -> None:
    (issued(tmp_path, HUB) / "ca.key").chmod(0o644)
    with pytest.raises(SettingsError, match=r"CERTS=.*ca\.key.*chmod 600"):
        issued(tmp_path, "pacs-9")


def test_a_file_is_made_for_this_user_alone_and_the_first_one_stays(tmp_path: Path) -> None:
    path = tmp_path / "key"
    make_private(path, "hush")
    make_private(path, "another")
    assert read_private(path, "NAME") == "hush"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]
