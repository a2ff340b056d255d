from pathlib import Path
from typing import Any

import pytest
from structlog.testing import CapturingLogger

from common.domain.pacs_key import HubSecret
from common.errors import SettingsError
from common.settings.loading import HubSettings
from common.wire.connection_policy import PLAIN, ConnectionPolicy
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


def test_the_defaults_are_those_of_a_plain_policy() -> None:
    assert policy_from_settings(settings(), HUB) == PLAIN


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
    assert warnings(settings(shared_secret=SECRET), ConnectionPolicy(keys=HubSecret(b"x"))) == []
    [unauthenticated] = warnings(settings(), PLAIN)
    assert unauthenticated.startswith("peers are not authenticated")
    risky = settings(hub_host="0.0.0.0", insecure_plaintext_network=CONSENT)  # noqa: S104
    assert [text.split(":")[0] for text in warnings(risky, PLAIN)] == [
        "INSECURE_PLAINTEXT_NETWORK",
        "peers are not authenticated",
    ]
