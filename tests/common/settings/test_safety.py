"""Settings refuse secrets on the command line, and unencrypted traffic to a network."""

from collections.abc import Callable
from pathlib import Path

import pytest

from common.domain.pacs_key import PacsKey
from common.settings.base import IN_PLAIN, Settings
from common.settings.brain import BrainSettings
from common.settings.commands import VerifySettings
from common.settings.hub import HubSettings
from common.settings.launch import LaunchSettings
from common.settings.loading import load_settings
from common.settings.pacs import PacsSettings
from tests.common.settings.reading import error_for, secret_file

SECRET = "0123456789abcdef" * 2
URI = "mongodb://fr:horse@db.example:27017/?tls=true"
PLAIN_AND_SECRET = {"INSECURE_PLAINTEXT_NETWORK": IN_PLAIN, "SHARED_SECRET": SECRET}
TLS = {"TLS_CERT": "c.pem", "TLS_KEY": "k.pem", "TLS_CA": "a.pem"}


# --- secrets -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "option", "name"),
    [
        (HubSettings, "--mongodb-uri", "MONGODB_URI"),
        (BrainSettings, "--mongodb-uri", "MONGODB_URI"),
        (VerifySettings, "--mongodb-uri", "MONGODB_URI"),
        (LaunchSettings, "--mongodb-uri", "MONGODB_URI"),
        (PacsSettings, "--shared-secret", "SHARED_SECRET"),
        (HubSettings, "--shared-secret", "SHARED_SECRET"),
        (PacsSettings, "--pacs-key", "PACS_KEY"),
        (LaunchSettings, "--pacs-key", "PACS_KEY"),
    ],
)
@pytest.mark.parametrize("form", ["{0} {1}", "{0}={1}", "{0}"])
@pytest.mark.parametrize(
    "spelled", [str, str.upper, lambda o: o[2:], lambda o: o.replace("-", "_")]
)
def test_a_secret_on_the_command_line_is_refused_and_not_printed(
    kind: type[Settings],
    option: str,
    name: str,
    spelled: Callable[[str], str],
    form: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as raised:
        load_settings(kind, "fr", form.format(spelled(option), "correct-horse").split())
    assert raised.value.code == 2
    message = capsys.readouterr().err
    assert f"set {name} in the environment" in message
    assert f"{name}_FILE" in message
    assert "horse" not in message


def test_a_secret_comes_from_the_file_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret_file(tmp_path / "uri", f"{URI}\n".encode())
    secret_file(tmp_path / "secret", SECRET.encode())
    monkeypatch.setenv("MONGODB_URI_FILE", "uri")
    monkeypatch.setenv("SHARED_SECRET_FILE", str(tmp_path / "secret"))
    settings = load_settings(HubSettings, "fr", [])
    assert settings.mongodb_uri is not None
    assert settings.mongodb_uri.get_secret_value() == URI
    assert settings.shared_secret is not None
    assert settings.shared_secret.get_secret_value() == SECRET
    for shown in (repr(settings), settings.model_dump_json()):
        assert "horse" not in shown
        assert SECRET not in shown


def test_a_secret_takes_precedence_over_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHARED_SECRET", SECRET)
    monkeypatch.setenv("SHARED_SECRET_FILE", "nothing")
    settings = load_settings(PacsSettings, "fr", [])
    assert settings.shared_secret is not None
    assert settings.shared_secret.get_secret_value() == SECRET


@pytest.mark.parametrize(("content", "why"), [(None, "No such file"), ("\n", "is empty")])
def test_an_unreadable_or_empty_secret_file_is_an_error(
    content: str | None, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if content is not None:
        secret_file(tmp_path / "uri", content.encode())
    monkeypatch.setenv("MONGODB_URI_FILE", "uri")
    message = error_for(HubSettings)
    assert "MONGODB_URI_FILE='uri'" in message
    assert why in message


def test_a_short_secret_is_refused_and_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHARED_SECRET", "correct-horse")
    message = error_for(PacsSettings)
    assert message.startswith("SHARED_SECRET is 13 characters long; it needs 32 or more")
    assert "32" in message
    assert "horse" not in message


# --- addresses ---------------------------------------------------------------------------------


NETWORK = [
    (HubSettings, "HUB_HOST", "0.0.0.0"),  # noqa: S104
    (HubSettings, "HUB_PACS", "a=127.0.0.1:1,b=10.0.0.1:2"),
    (PacsSettings, "PACS_HOST", "::"),
    (PacsSettings, "HUB_HOST", "hub.example"),
    (LaunchSettings, "HUB_HOST", "0.0.0.0"),  # noqa: S104
    (LaunchSettings, "PACS_HOST", "0.0.0.0"),  # noqa: S104
]


@pytest.mark.parametrize(("kind", "name", "value"), NETWORK)
def test_without_tls_only_loopback_is_allowed(
    kind: type[Settings], name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    message = error_for(kind)
    assert f"{name}=" in message
    assert "TLS_CERT, TLS_KEY and TLS_CA" in message
    assert f"INSECURE_PLAINTEXT_NETWORK={IN_PLAIN}" in message


@pytest.mark.parametrize(("kind", "name", "value"), NETWORK)
@pytest.mark.parametrize("allow", [TLS, PLAIN_AND_SECRET], ids=["TLS", "consent"])
def test_a_network_is_allowed_with_tls_or_explicit_consent(
    kind: type[Settings],
    name: str,
    value: str,
    allow: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for variable, text in {name: value, **allow}.items():
        monkeypatch.setenv(variable, text)
    load_settings(kind, "fr", [])


@pytest.mark.parametrize(("kind", "name", "value"), NETWORK)
def test_for_a_network_the_secret_of_this_machine_is_not_enough(
    kind: type[Settings], name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    monkeypatch.setenv("INSECURE_PLAINTEXT_NETWORK", IN_PLAIN)
    message = error_for(kind)
    assert "the secret in DATA_DIR is for this machine alone: set SHARED_SECRET" in message
    assert not Path(".data").exists()


def test_for_a_network_a_fr_pacs_needs_only_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_HOST", "hub.example")
    monkeypatch.setenv("INSECURE_PLAINTEXT_NETWORK", IN_PLAIN)
    monkeypatch.setenv("PACS_KEY", "0a" * 32)
    assert load_settings(PacsSettings, "fr", []).given_keys() == PacsKey(b"\n" * 32)


@pytest.mark.parametrize("kind", [HubSettings, BrainSettings, VerifySettings, LaunchSettings])
def test_a_mongodb_elsewhere_needs_tls_or_the_same_consent(
    kind: type[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONGODB_URI", URI.replace("?tls=true", ""))
    message = error_for(kind)
    assert "MONGODB_URI names another host without TLS" in message
    assert f"INSECURE_PLAINTEXT_NETWORK={IN_PLAIN}" in message
    assert "horse" not in message
    monkeypatch.setenv("INSECURE_PLAINTEXT_NETWORK", IN_PLAIN)
    load_settings(kind, "fr", [])
    monkeypatch.delenv("INSECURE_PLAINTEXT_NETWORK")
    monkeypatch.setenv("MONGODB_URI", URI)
    load_settings(kind, "fr", [])


@pytest.mark.parametrize("word", ["1", "yes", "true"])
def test_a_short_yes_is_not_consent(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INSECURE_PLAINTEXT_NETWORK", word)
    assert IN_PLAIN in error_for(HubSettings)


@pytest.mark.parametrize("missing", TLS)
def test_incomplete_tls_settings_are_refused(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in set(TLS) - {missing}:
        monkeypatch.setenv(name, "file.pem")
    assert "set all three, or none" in error_for(PacsSettings)
