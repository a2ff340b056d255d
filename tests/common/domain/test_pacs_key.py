import pytest

from common.domain.pacs_key import KEY_BYTES, HubSecret, PacsKey

SECRET = b"correct horse battery staple 0123"


def test_each_fr_pacs_has_a_key_and_each_secret_makes_others() -> None:
    keys = {
        HubSecret(secret).key_of(name)
        for secret in (SECRET, SECRET + b"4")
        for name in ("pacs-1", "pacs-2", "")
    }
    assert len(keys) == 6
    assert {len(key) for key in keys} == {KEY_BYTES}
    assert HubSecret(SECRET).key_of("pacs-1") == HubSecret(SECRET).key_of("pacs-1")


def test_a_fr_pacs_has_its_key_under_whatever_name() -> None:
    key = HubSecret(SECRET).key_of("pacs-1")
    assert PacsKey(key).key_of("pacs-1") == PacsKey(key).key_of("pacs-2") == key


@pytest.mark.parametrize("keys", [HubSecret(SECRET), PacsKey(SECRET[:KEY_BYTES])])
def test_its_representation_shows_nothing_of_it(keys: HubSecret | PacsKey) -> None:
    assert "horse" not in repr(keys)
