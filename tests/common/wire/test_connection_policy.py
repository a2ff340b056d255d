from dataclasses import replace

from common.domain.pacs_key import HubSecret, PacsKey
from common.wire.connection_policy import ConnectionPolicy
from common.wire.constants import FEATURES
from common.wire.messages import Challenge, Hello
from common.wire.protocol import Side

POLICY = ConnectionPolicy(keys=HubSecret(b"correct-horse-battery-staple-1234"))


def test_each_handshake_has_a_fresh_nonce() -> None:
    nonces = set()
    for _ in range(100):
        [hello] = POLICY.client_handshake(Side.SCAN_SENDER, "pacs-1", None, None).start()
        server = POLICY.server_handshake(Side.SCAN_RECEIVER, "fr-hub", None, None)
        [challenge] = server.receive(hello)
        assert isinstance(hello, Hello)
        assert isinstance(challenge, Challenge)
        nonces |= {hello.nonce, challenge.nonce}
    assert len(nonces) == 200


def test_without_a_secret_a_hello_carries_no_nonce() -> None:
    handshake = ConnectionPolicy().client_handshake(Side.SCAN_SENDER, "pacs-1", None, None)
    assert handshake.start() == (Hello("pacs-1", features=FEATURES),)


def test_a_unit_lists_what_its_policy_wants_and_both_agree_on_what_both_list() -> None:
    wants = replace(POLICY, features=("one", "two"))
    client = wants.client_handshake(Side.REPORT_SENDER, "fr-hub", None, None)
    server = replace(POLICY, features=("two",)).server_handshake(
        Side.REPORT_RECEIVER, "pacs-1", None, None
    )
    [hello] = client.start()
    assert isinstance(hello, Hello)
    assert hello.features == ("one", "two")
    [challenge] = server.receive(hello)
    server.receive(*client.receive(challenge))
    welcome, _ = server.welcome(1)
    client.receive(welcome)
    assert client.agreed_features == server.agreed_features == {"two"}


def test_its_representation_shows_no_secret() -> None:
    assert "horse" not in repr(POLICY)
    assert "horse" not in repr(ConnectionPolicy(keys=PacsKey(b"horse" * 6)))
