"""Hosts and addresses in settings: which stay on this machine, and what localhost means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.settings.hosts import is_loopback, named_host, split_address
from common.settings.hub import HubSettings
from common.settings.loading import load_settings
from common.settings.pacs import PacsSettings


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:7302", ("127.0.0.1", 7302)),
        (" pacs.example:1 ", ("pacs.example", 1)),
        ("[::1]:65535", ("::1", 65535)),
        ("::1:80", ("::1", 80)),
    ],
)
def test_an_address_is_host_and_port(text: str, address: tuple[str, int]) -> None:
    assert split_address(text) == address


@given(st.text("a1.:[]- \n\x00٣é", max_size=20))
def test_any_other_text_is_not_an_address(text: str) -> None:
    try:
        host, port = split_address(text)
    except ValueError:
        with pytest.raises(ValueError, match="write host:port"):
            split_address(text)
    else:
        assert host
        assert 0 < port < 65536


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1"])
def test_loopback_addresses_are_recognized(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        "0.0.0.0",  # noqa: S104
        "::",
        "10.0.0.1",
        "hub.example",
        "localhost",
        "localhost.evil",
        "127.1",
    ],
)
def test_other_hosts_are_not_loopback(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST", "localhost."])
def test_localhost_is_an_address_whatever_a_name_server_says(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for setting in ("HUB_HOST", "PACS_HOST"):
        monkeypatch.setenv(setting, name)
    monkeypatch.setenv("HUB_PACS", f"a={name}:1")
    hub, pacs = load_settings(HubSettings, "fr", []), load_settings(PacsSettings, "fr", [])
    assert hub.hub_host == pacs.hub_host == pacs.pacs_host == "127.0.0.1"
    assert hub.hub_pacs == {"a": ("127.0.0.1", 1)}
    assert HubSettings(hub_pacs={"a": (name, 1)}).hub_pacs == {"a": ("127.0.0.1", 1)}


def test_another_name_stays_as_it_is() -> None:
    assert named_host("hub.example") == "hub.example"
