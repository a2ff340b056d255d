"""The one-time address: on this machine only, in a file of this user alone, used once."""

from pathlib import Path

import pytest

from common.domain.user import Role
from common.errors import SettingsError
from common.settings.web import WebSettings
from common.store.db_manager import DBManager
from fr_hub.web.first_start import VALID_S, first_address, take_token, token_file


def settings(folder: Path, **given: object) -> WebSettings:
    return WebSettings(data_dir=folder, _env_file=None, **given)  # type: ignore[call-arg, arg-type]


def token_in(address: str | None) -> str:
    assert address is not None
    base, _, token = address.partition("/#one-time=")
    assert base == "http://127.0.0.1:7300"
    assert len(token) >= 43
    return token


def test_the_token_is_private_and_stays_until_it_is_used(store: DBManager, tmp_path: Path) -> None:
    here = settings(tmp_path / "data")
    token = token_in(first_address(here, store.users))
    assert token_file(here).stat().st_mode & 0o777 == 0o600
    assert token_in(first_address(here, store.users)) == token, "several processes, one token"
    assert not take_token(here, token + "x")
    assert not take_token(here, "")
    assert take_token(here, token)
    assert not take_token(here, token)
    assert token_in(first_address(here, store.users)) != token


def test_a_token_is_too_old_after_a_day(store: DBManager, tmp_path: Path) -> None:
    here = settings(tmp_path)
    token = token_in(first_address(here, store.users))
    later = token_file(here).stat().st_mtime + VALID_S + 1
    assert not take_token(here, token, later)
    assert token_in(first_address(here, store.users, later)) != token


def test_there_is_none_once_an_administrator_has_a_password(
    store: DBManager, tmp_path: Path
) -> None:
    here = settings(tmp_path)
    token = token_in(first_address(here, store.users))
    store.users.add("ada", "default", [Role.ADMIN])
    assert first_address(here, store.users) is not None
    store.users.change("ada", password="hash")  # noqa: S106 - of nothing
    assert first_address(here, store.users) is None
    assert not take_token(here, token)


def test_where_others_could_reach_it_a_user_is_needed_first(
    store: DBManager, tmp_path: Path
) -> None:
    there = settings(tmp_path, web_host="192.0.2.7", web_tls_cert="c.pem", web_tls_key="k.pem")
    with pytest.raises(SettingsError, match="make users"):
        first_address(there, store.users)
    assert not take_token(there, "x")
    store.users.add("ada", "default", [Role.ADMIN], "hash")
    assert first_address(there, store.users) is None


def test_a_token_that_others_could_read_is_refused(store: DBManager, tmp_path: Path) -> None:
    here = settings(tmp_path)
    token = token_in(first_address(here, store.users))
    token_file(here).chmod(0o644)
    assert not take_token(here, token)
    with pytest.raises(SettingsError, match="chmod 600"):
        first_address(here, store.users)
