"""What a unit demands of its peers, beyond the rules of the protocol."""

import secrets
from dataclasses import dataclass

from common.domain.pacs_key import PacsKeys
from common.wire.constants import FEATURES, NONCE_BYTES
from common.wire.handshake import ClientHandshake, ServerHandshake
from common.wire.protocol import Side
from common.wire.tls import Tls


@dataclass(frozen=True, slots=True)
class ConnectionPolicy:
    """Authentication and limits of a unit's connections. Units have TLS, or keys, or both: see
    ``common.wire.policy_from_settings``."""

    tls: Tls | None = None
    """This unit's certificate and the authority that it trusts; None: no TLS."""

    keys: PacsKeys | None = None
    """What the peers must prove that they have too; None: nothing beyond their certificates."""

    handshake_timeout_s: float = 10.0
    """A connection whose handshake lasts longer is closed, seconds."""

    frame_timeout_s: float = 60.0
    """The longest wait for the rest of a message that has begun, seconds."""

    min_bytes_per_s: float = 8 * 1024
    """A peer in the middle of a message or scan that sends less is disconnected, bytes/s."""

    rate_window_s: float = 15.0
    """Over how long that rate is measured, seconds: a network may pause for a moment."""

    max_unauthenticated: int = 256
    """Most connections whose handshake is not complete; a new one replaces the oldest."""

    features: tuple[str, ...] = FEATURES
    """What this unit understands, and wants, beyond the protocol's version."""

    def client_handshake(
        self, side: Side, name: str, peer: str | None, certificate_names: frozenset[str] | None
    ) -> ClientHandshake:
        """The handshake of a client, with a fresh nonce; see ``common.wire.handshake``."""
        return ClientHandshake(
            side,
            name,
            self.keys,
            secrets.token_bytes(NONCE_BYTES),
            expected_peer=peer,
            certificate_names=certificate_names,
            features=self.features,
        )

    def server_handshake(
        self, side: Side, name: str, peer: str | None, certificate_names: frozenset[str] | None
    ) -> ServerHandshake:
        """The handshake of a server, with a fresh nonce; see ``common.wire.handshake``."""
        return ServerHandshake(
            side,
            name,
            self.keys,
            secrets.token_bytes(NONCE_BYTES),
            expected_peer=peer,
            certificate_names=certificate_names,
            features=self.features,
        )
