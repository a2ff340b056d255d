"""The connection policy that a unit's settings describe."""

from common.domain.pacs_key import HubSecret
from common.runtime.logger import Log
from common.settings.base import WireSettings
from common.settings.local_secret import local_secret
from common.wire.connection_policy import ConnectionPolicy
from common.wire.constants import FEATURES
from common.wire.tls import Tls


def policy_from_settings(
    settings: WireSettings, name: str, features: tuple[str, ...] = FEATURES
) -> ConnectionPolicy:
    """The policy of the unit of this name: with TLS, or keys, or both, never with neither.

    Args:
        settings: of the unit.
        name: of the unit.
        features: what it understands, and wants, beyond the protocol's version.

    Raises:
        SettingsError: a certificate or key cannot be read, has expired or belongs to another unit;
            or the secret in DATA_DIR cannot be made or read.
    """
    tls = None
    if settings.tls_cert and settings.tls_key and settings.tls_ca:
        tls = Tls.load(settings.tls_cert, settings.tls_key, settings.tls_ca)
        tls.check(settings.tls_cert, name)
    keys = settings.given_keys()
    if tls is None and keys is None:
        keys = HubSecret(local_secret(settings.data_dir).encode())
    return ConnectionPolicy(
        tls=tls,
        keys=keys,
        handshake_timeout_s=settings.greeting_timeout_s,
        frame_timeout_s=settings.frame_timeout_s,
        min_bytes_per_s=settings.rate_min_kib_s * 1024,
        max_unauthenticated=settings.max_unauthenticated,
        features=features,
    )


def warn_of_dangers(settings: WireSettings, policy: ConnectionPolicy, log: Log) -> None:
    """Log what this unit's connections are not protected from."""
    if policy.tls is None and settings.insecure_plaintext_network:
        log.warning(
            "INSECURE_PLAINTEXT_NETWORK: anybody on the network can read scans and reports",
            remedy="set TLS_CERT, TLS_KEY and TLS_CA at both ends",
        )
