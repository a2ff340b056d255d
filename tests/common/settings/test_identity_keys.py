"""The keys of ids and pseudonyms: made once, kept for ever, and this user's alone."""

import os
from pathlib import Path
from typing import Any

import pytest

from common.errors import SettingsError
from common.settings.commands import PseudonymSettings
from common.settings.identity_keys import (
    PSEUDONYM_KEY,
    SCAN_ID_KEY,
    IdentityKeys,
    existing_pseudonym_key,
    identity_keys,
    upload_keys,
)
from common.settings.pacs import PacsSettings
from tests.factories import together


def keys_in(folder: Path, **settings: Any) -> IdentityKeys:
    given = PacsSettings(data_dir=folder, _env_file=None, **settings)  # type: ignore[call-arg]
    return identity_keys(given)


def test_they_are_made_at_the_first_start_and_stay(tmp_path: Path) -> None:
    made = keys_in(tmp_path / "data")
    folder = tmp_path / "data" / "pacs-1"
    assert set(made.made) == {folder / PSEUDONYM_KEY, folder / SCAN_ID_KEY}
    assert [path.stat().st_mode & 0o777 for path in made.made] == [0o600, 0o600]
    assert folder.stat().st_mode & 0o777 == 0o700
    again = keys_in(tmp_path / "data")
    assert (again.scan_ids, again.pseudonyms) == (made.scan_ids, made.pseudonyms)
    assert again.made == ()
    assert len({made.scan_ids, made.pseudonyms}) == 2


def test_each_pacs_has_its_own(tmp_path: Path) -> None:
    one, other = (keys_in(tmp_path, pacs_name=name) for name in ("pacs-1", "pacs-2"))
    assert one.scan_ids != other.scan_ids
    assert one.pseudonyms != other.pseudonyms


def test_the_key_of_the_ids_is_beside_that_of_the_pseudonyms(tmp_path: Path) -> None:
    path = tmp_path / "private" / "mine.key"
    assert set(keys_in(tmp_path, pseudonym_key_file=path).made) == {
        path,
        path.with_name(SCAN_ID_KEY),
    }


def test_a_new_key_of_the_pseudonyms_leaves_the_ids(tmp_path: Path) -> None:
    before = keys_in(tmp_path)
    (tmp_path / "pacs-1" / PSEUDONYM_KEY).unlink()
    after = keys_in(tmp_path)
    assert after.pseudonyms != before.pseudonyms
    assert after.scan_ids == before.scan_ids


def test_processes_that_start_at_once_have_the_same_ones(tmp_path: Path) -> None:
    found = together(8, lambda _: keys_in(tmp_path))
    assert len({(keys.scan_ids, keys.pseudonyms) for keys in found}) == 1


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    keys_in(tmp_path)
    path = tmp_path / "pacs-1" / SCAN_ID_KEY
    path.chmod(0o644)
    with pytest.raises(SettingsError, match=r"SCAN_ID_KEY_FILE=.*run chmod 600"):
        keys_in(tmp_path)


@pytest.mark.parametrize("text", ["", "x" * 64, "0" * 63])
def test_a_file_that_holds_no_key_is_refused_and_left(tmp_path: Path, text: str) -> None:
    keys_in(tmp_path)
    path = tmp_path / "pacs-1" / PSEUDONYM_KEY
    path.write_text(text)
    with pytest.raises(SettingsError, match="PSEUDONYM_KEY_FILE="):
        keys_in(tmp_path)
    assert path.read_text() == text


def test_one_file_cannot_hold_both(tmp_path: Path) -> None:
    path = tmp_path / "key"
    with pytest.raises(SettingsError, match="name another file"):
        keys_in(tmp_path, pseudonym_key_file=path, scan_id_key_file=path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(SettingsError, match="Permission denied"):
        keys_in(tmp_path)


def test_a_place_that_cannot_be_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "pacs-1").write_text("no folder")
    with pytest.raises(SettingsError, match="SCAN_ID_KEY_FILE, PSEUDONYM_KEY_FILE"):
        keys_in(tmp_path)


def test_a_key_that_exists_is_read_and_none_is_made(tmp_path: Path) -> None:
    made = keys_in(tmp_path)
    given = PseudonymSettings(data_dir=tmp_path, _env_file=None)  # type: ignore[call-arg]
    assert existing_pseudonym_key(given) == made.pseudonyms
    other = given.model_copy(update={"pacs_name": "pacs-2"})
    with pytest.raises(SettingsError, match="no pseudonym key"):
        existing_pseudonym_key(other)
    assert not (tmp_path / "pacs-2").exists()


def test_uploads_of_each_tenant_have_keys_of_their_own(tmp_path: Path) -> None:
    here, there = (upload_keys(tmp_path, source) for source in ("web", "web-north"))
    assert [path.stat().st_mode & 0o777 for path in here.made] == [0o600, 0o600]
    assert here.made[0].parent == tmp_path / "web"
    assert len({here.scan_ids, here.pseudonyms, there.scan_ids, there.pseudonyms}) == 4
    assert upload_keys(tmp_path, "web").scan_ids == here.scan_ids
