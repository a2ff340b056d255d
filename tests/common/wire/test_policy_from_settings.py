from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from structlog.testing import CapturingLogger

from common.domain.pacs_key import HubSecret, PacsKey
from common.errors import SettingsError
from common.settings.hub import HubSettings
from common.settings.loading import load_settings
from common.settings.local_secret import local_secret
from common.settings.pacs import PacsSettings
from common.wire.connection_policy import ConnectionPolicy
from common.wire.constants import FEATURES
from common.wire.policy_from_settings import policy_from_settings, warn_of_dangers
from tests.common.wire.tls_files import HUB, PACS

SECRET = "correct-horse-battery-staple-1234"  # noqa: S105 - of nothing
CONSENT = "yes-patient-data-may-be-read"


def settings(**given: Any) -> HubSettings:
    return HubSettings(_env_file=None, **given)  # type: ignore[call-arg]


def of_tls(folder: Path, name: str) -> HubSettings:
    return settings(
        tls_cert=folder / f"{name}.pem", tls_key=folder / f"{name}.key", tls_ca=folder / "ca.pem"
    )


def warnings(made: HubSettings, policy: ConnectionPolicy) -> list[str]:
    log = CapturingLogger()
    warn_of_dangers(made, policy, log)  # type: ignore[arg-type]
    assert all(call.method_name == "warning" and call.kwargs["remedy"] for call in log.calls)
    return [call.args[0] for call in log.calls]


def test_by_default_the_secret_in_data_dir_authenticates_the_peers(tmp_path: Path) -> None:
    policy = policy_from_settings(settings(data_dir=tmp_path), HUB)
    assert policy == ConnectionPolicy(keys=HubSecret(local_secret(tmp_path).encode()))


def test_whatever_is_set_peers_are_authenticated(good: Path, tmp_path: Path) -> None:
    files = {"tls_cert": good / f"{HUB}.pem", "tls_key": good / f"{HUB}.key"}
    tls = {**files, "tls_ca": good / "ca.pem"}
    for one in ({}, tls):
        for other in ({}, {"shared_secret": SECRET}, {"insecure_plaintext_network": CONSENT}):
            policy = policy_from_settings(settings(data_dir=tmp_path, **one, **other), HUB)
            assert policy.tls is not None or policy.keys is not None
            assert (policy.keys is None) is (one == tls and "shared_secret" not in other)


def test_a_fr_pacs_authenticates_by_its_key_alone(tmp_path: Path) -> None:
    key = HubSecret(SECRET.encode()).key_of(PACS)
    made = PacsSettings(
        _env_file=None,  # type: ignore[call-arg]
        data_dir=tmp_path / "none",
        pacs_key=SecretStr(key.hex()),
        shared_secret=SecretStr(SECRET),
    )
    assert policy_from_settings(made, PACS).keys == PacsKey(key)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("key", ["", "0" * 63, "0" * 65, "g" * 64])
def test_a_key_that_is_none_is_refused_and_not_quoted(
    key: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PACS_KEY", key or " ")
    with pytest.raises(SettingsError, match="64 hexadecimal digits") as raised:
        load_settings(PacsSettings, "fr", [])
    assert str(raised.value).startswith("PACS_KEY: ")


def test_each_limit_is_taken_in_its_unit() -> None:
    made = settings(
        shared_secret=SECRET,
        greeting_timeout_s=1,
        frame_timeout_s=2,
        rate_min_kib_s=3,
        max_unauthenticated=4,
    )
    assert policy_from_settings(made, HUB) == ConnectionPolicy(
        keys=HubSecret(SECRET.encode()),
        handshake_timeout_s=1,
        frame_timeout_s=2,
        min_bytes_per_s=3 * 1024,
        max_unauthenticated=4,
    )


def test_with_certificates_there_is_tls(good: Path) -> None:
    policy = policy_from_settings(of_tls(good, HUB), HUB)
    assert policy.tls is not None
    assert warnings(of_tls(good, HUB), policy) == []


def test_another_units_certificate_is_a_settings_error(good: Path) -> None:
    with pytest.raises(SettingsError, match="belongs to 'pacs-1', but this unit is 'fr-hub'"):
        policy_from_settings(of_tls(good, PACS), HUB)


def test_each_danger_is_logged_with_its_remedy() -> None:
    keys = ConnectionPolicy(keys=HubSecret(b"x"))
    assert warnings(settings(shared_secret=SECRET), keys) == []
    risky = settings(
        hub_host="0.0.0.0",  # noqa: S104
        shared_secret=SECRET,
        insecure_plaintext_network=CONSENT,
    )
    [danger] = warnings(risky, keys)
    assert danger.startswith("INSECURE_PLAINTEXT_NETWORK: anybody on the network can read")


def test_a_unit_understands_all_features_unless_it_says_which(tmp_path: Path) -> None:
    made = settings(data_dir=tmp_path)
    assert policy_from_settings(made, HUB).features == FEATURES
    assert policy_from_settings(made, HUB, ("one",)).features == ("one",)
