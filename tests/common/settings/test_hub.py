"""The settings of Fr-HUB: which Fr-PACS it knows, and what it listens on."""

from typing import Any

import pytest
from pydantic import ValidationError

from common.settings.hub import HubSettings
from common.settings.loading import load_settings
from tests.common.settings.reading import error_for


def test_it_knows_the_pacs_that_are_listed_with_or_without_spaces() -> None:
    settings = load_settings(HubSettings, "fr", ["--hub-pacs", " a = localhost:1 ,, b=[::1]:2,"])
    assert settings.hub_pacs == {"a": ("127.0.0.1", 1), "b": ("::1", 2)}


def test_the_known_pacs_may_be_given_as_they_are() -> None:
    known = {"a": ("127.0.0.1", 1)}
    assert HubSettings(hub_pacs=known).hub_pacs == known


@pytest.mark.parametrize(
    ("value", "right"),
    [
        ("pacs-1", "name=host:port"),
        ("a=host", "host:port"),
        ("a=:80", "host:port"),
        ("a=[]:80", "host:port"),
        ("a=host:0", "host:port"),
        ("a=host:65536", "host:port"),
        ("a=h:1,a=h:2", "listed twice"),
        ("=h:1", "letters, digits"),
        ("web=h:1", "uploaded"),
        ("web-north=h:1", "uploaded"),
        ("a b=h:1", "letters, digits"),
    ],
)
def test_the_error_for_a_wrong_list_of_pacs_tells_what_is_wrong(value: str, right: str) -> None:
    message = error_for(HubSettings, f"--hub-pacs={value}")
    assert message.startswith("HUB_PACS=")
    assert right in message


def test_its_hosts_are_its_address_and_those_that_reports_go_to() -> None:
    options = ["--hub-host", "127.0.0.2", "--hub-pacs", "a=127.0.0.3:1,b=localhost:2"]
    assert list(load_settings(HubSettings, "fr", options).hosts()) == [
        ("HUB_HOST", "127.0.0.2"),
        ("HUB_PACS", "127.0.0.3"),
        ("HUB_PACS", "127.0.0.1"),
    ]


@pytest.mark.parametrize("days", ["0", "90"])
def test_the_retention_timer_starts_with_any_number_of_days(days: str) -> None:
    options = ["--retention-timer", "1", "--retention-days", days]
    assert load_settings(HubSettings, "fr", options).retention_timer


@pytest.mark.parametrize(
    ("option", "value", "right"),
    [
        ("hub-connections", 10_001, "must be 10000 or less"),
        ("hub-connections-each", 0, "must be 1 or more"),
        ("hub-window", 100_001, "must be 100000 or less"),
        ("hub-memory-mib", 15, "must be 16 or more"),
        ("hub-batch", 10_001, "must be 10000 or less"),
        ("hub-backlog", 0, "must be 1 or more"),
        ("hub-disk-free-mib", -1, "must be 0 or more"),
        ("scan-limit-mib", 0, "must be 1 or more"),
        ("scan-timeout-s", 0.9, "must be 1 or more"),
        ("hub-poll-s", 61, "must be 60 or less"),
        ("hub-drain-s", -1, "must be 0 or more"),
    ],
)
def test_a_value_beyond_its_bound_is_refused(option: str, value: float, right: str) -> None:
    message = error_for(HubSettings, f"--{option}={value}")
    assert message.startswith(f"{option.replace('-', '_').upper()}='{value}': ")
    assert right in message


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("audit.example", ("audit.example", 6514)),
        ("localhost:7514", ("localhost", 7514)),
        ("[2001:db8::1]:7514", ("2001:db8::1", 7514)),
        ("[2001:db8::1]", ("2001:db8::1", 6514)),
        ("", None),
    ],
)
def test_a_syslog_server_has_the_port_of_syslog_over_tls_unless_another_is_named(
    given: str, address: tuple[str, int] | None
) -> None:
    assert HubSettings(audit_syslog=given, _env_file=None).audit_syslog == address  # type: ignore[call-arg, arg-type]


@pytest.mark.parametrize("given", [{"audit_syslog": "a:b"}, {"audit_syslog_cert": "a.pem"}])
def test_a_syslog_server_that_cannot_be_used_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"AUDIT_SYSLOG_KEY|host:port"):
        HubSettings(_env_file=None, **given)  # type: ignore[call-arg]
