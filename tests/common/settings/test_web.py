"""The settings of the API."""

import pytest

from common.errors import SettingsError
from common.settings.loading import load_settings
from common.settings.web import WebSettings


def load(*arguments: str) -> WebSettings:
    return load_settings(WebSettings, "fr web", list(arguments))


def test_tenants_are_read_from_one_line() -> None:
    settings = load("--web-tenants", "north=mr-1+mr-2, south=ct-1")
    assert settings.web_tenants == {"north": ("mr-1", "mr-2"), "south": ("ct-1",)}
    assert settings.tenants["north"].owns("mr-2")


def test_proxies_and_origins_are_lists() -> None:
    settings = load(
        "--web-proxies", "10.0.0.1, 2001:db8::/64", "--web-origins", "https://a.example"
    )
    assert settings.web_proxies == ("10.0.0.1", "2001:db8::/64")
    assert settings.web_origins == ("https://a.example",)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--web-tenants", "north"), "name=pacs-1"),
        (("--web-tenants", "north=mr-1,south=mr-1"), "two tenants"),
        (("--web-tenants", "north=web-1"), "uploaded"),
        (("--web-tenants", "x" * 60 + "=mr-1"), "59 characters"),
        (("--web-host", "0.0.0.0"), "WEB_TLS_CERT"),  # noqa: S104 - refused
        (("--web-tls-cert", "c.pem"), "WEB_TLS_KEY"),
        (("--web-proxies", "proxy.example"), "neither an address nor a network"),
        (("--web-proxies", "10.0.0.1/8"), "neither an address nor a network"),
        (("--web-proxies", "0.0.0.0/0"), "every address"),
        (("--web-origins", "*"), "not an origin"),
        (("--web-origins", "https://a.example/"), "not an origin"),
        (("--web-origins", "null"), "not an origin"),
    ],
)
def test_what_cannot_be_is_refused(arguments: tuple[str, ...], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        load(*arguments)
