"""What the settings refuse for safety's sake: secrets where all can read them, scans in plain."""

from pathlib import Path

import pytest

from common.errors import SettingsError
from common.settings.loading import (
    IN_PLAIN,
    BrainSettings,
    HubSettings,
    LaunchSettings,
    PacsSettings,
    Settings,
    VerifySettings,
    is_loopback,
    load_settings,
)

SECRET = "0123456789abcdef" * 2
URI = "mongodb://fr:horse@db.example:27017/"
TLS = {"TLS_CERT": "c.pem", "TLS_KEY": "k.pem", "TLS_CA": "a.pem"}


@pytest.fixture(autouse=True)
def _nothing_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in {*LaunchSettings.model_fields, *VerifySettings.model_fields}:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


def wrong(kind: type[Settings], *arguments: str) -> str:
    with pytest.raises(SettingsError) as raised:
        load_settings(kind, "fr", list(arguments))
    return str(raised.value)


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
    ],
)
@pytest.mark.parametrize("form", ["{0} {1}", "{0}={1}", "{0}"])
def test_a_secret_on_the_command_line_is_refused_unseen(
    kind: type[Settings], option: str, name: str, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as raised:
        load_settings(kind, "fr", form.format(option, "correct-horse").split())
    assert raised.value.code == 2
    said = capsys.readouterr().err
    assert f"set {name} in the environment" in said
    assert f"{name}_FILE" in said
    assert "horse" not in said


def test_a_secret_comes_from_the_file_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "uri").write_text(f"{URI}\n")
    (tmp_path / "secret").write_text(SECRET)
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


def test_a_secret_that_is_set_comes_before_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHARED_SECRET", SECRET)
    monkeypatch.setenv("SHARED_SECRET_FILE", "nothing")
    settings = load_settings(PacsSettings, "fr", [])
    assert settings.shared_secret is not None
    assert settings.shared_secret.get_secret_value() == SECRET


@pytest.mark.parametrize(("content", "why"), [(None, "No such file"), ("\n", "is empty")])
def test_a_secret_file_that_gives_nothing_is_said(
    content: str | None, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if content is not None:
        (tmp_path / "uri").write_text(content)
    monkeypatch.setenv("MONGODB_URI_FILE", "uri")
    said = wrong(HubSettings)
    assert "MONGODB_URI_FILE='uri'" in said
    assert why in said


def test_a_short_secret_is_refused_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHARED_SECRET", "correct-horse")
    said = wrong(PacsSettings)
    assert said.startswith("SHARED_SECRET is 13 characters long; it needs 32 or more")
    assert "32" in said
    assert "horse" not in said


# --- addresses ---------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost", "LocalHost"])
def test_loopback_is_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    ["0.0.0.0", "::", "10.0.0.1", "hub.example", "localhost.evil"],  # noqa: S104
)
def test_all_else_is_not(host: str) -> None:
    assert not is_loopback(host)


NETWORK = [
    (HubSettings, "HUB_HOST", "0.0.0.0"),  # noqa: S104
    (HubSettings, "HUB_PACS", "a=127.0.0.1:1,b=10.0.0.1:2"),
    (PacsSettings, "PACS_HOST", "::"),
    (PacsSettings, "HUB_HOST", "hub.example"),
    (LaunchSettings, "HUB_HOST", "0.0.0.0"),  # noqa: S104
    (LaunchSettings, "PACS_HOST", "0.0.0.0"),  # noqa: S104
]


@pytest.mark.parametrize(("kind", "name", "value"), NETWORK)
def test_without_tls_only_loopback_is_spoken_with(
    kind: type[Settings], name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    said = wrong(kind)
    assert f"{name}=" in said
    assert "TLS_CERT, TLS_KEY and TLS_CA" in said
    assert f"INSECURE_PLAINTEXT_NETWORK={IN_PLAIN}" in said


@pytest.mark.parametrize(("kind", "name", "value"), NETWORK)
@pytest.mark.parametrize("allow", [TLS, {"INSECURE_PLAINTEXT_NETWORK": IN_PLAIN}], ids=str)
def test_with_tls_or_in_words_that_cannot_be_missed_a_network_is_spoken_with(
    kind: type[Settings],
    name: str,
    value: str,
    allow: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for variable, text in {name: value, **allow}.items():
        monkeypatch.setenv(variable, text)
    load_settings(kind, "fr", [])


@pytest.mark.parametrize("word", ["1", "yes", "true"])
def test_a_short_yes_is_none(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INSECURE_PLAINTEXT_NETWORK", word)
    assert IN_PLAIN in wrong(HubSettings)


@pytest.mark.parametrize("missing", TLS)
def test_a_part_of_tls_is_refused(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in set(TLS) - {missing}:
        monkeypatch.setenv(name, "file.pem")
    assert "set all three, or none" in wrong(PacsSettings)
