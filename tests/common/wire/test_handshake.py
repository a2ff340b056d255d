"""The handshake's two machines, joined in memory through the frames that would travel."""

import dataclasses
from collections.abc import Callable
from functools import partial

import pytest

from common.domain.pacs_key import HubSecret, PacsKey
from common.errors import ProtocolError, Refusal
from common.wire.constants import PROTOCOL_VERSION
from common.wire.frames import encode
from common.wire.handshake import ClientHandshake, FrameKeys, ServerHandshake
from common.wire.messages import (
    Ack,
    Challenge,
    Hello,
    InvalidMessage,
    Message,
    Nack,
    Ping,
    Proof,
    Welcome,
)
from common.wire.protocol import Side
from tests.common.wire.handshakes import (
    HELLO,
    OTHER,
    REPORTS,
    SCANS,
    SECRET,
    A,
    B,
    End,
    Pair,
    challenged,
    client,
    refused,
    server,
    steps,
)

# --- the four configurations -------------------------------------------------------------------


@steps
def test_without_a_secret_hello_and_welcome_are_the_whole_handshake(step: int) -> None:
    pair = Pair(client(None), server(None), step)
    assert pair.sent == [Hello("pacs-1"), Welcome("fr-hub", 8)]
    assert pair.client.machine.complete
    assert pair.client.machine.welcome == Welcome("fr-hub", 8)
    assert pair.client.error is pair.server.error is None


@steps
@pytest.mark.parametrize("sides", [SCANS, REPORTS])
def test_with_the_same_secret_both_prove_it_and_neither_sends_it(
    step: int, sides: tuple[Side, Side]
) -> None:
    pair = Pair(client(side=sides[0]), server(side=sides[1]), step)
    assert [message.t for message in pair.sent] == ["hello", "challenge", "proof", "welcome"]
    assert pair.client.machine.complete
    assert pair.client.error is pair.server.error is None
    for message in pair.sent:
        assert SECRET not in encode(message)


@steps
@pytest.mark.parametrize(
    ("one", "other", "reason"),
    [
        (None, SECRET, "this unit has a key, the peer has none"),
        (SECRET, None, "the peer has a key, this unit has none"),
        (OTHER, SECRET, "the peer has another key"),
    ],
)
def test_any_other_secret_is_refused_and_both_know_why(
    step: int, one: bytes | None, other: bytes | None, reason: str
) -> None:
    pair = Pair(client(one), server(other), step)
    for end in (pair.client, pair.server):
        assert not end.machine.complete
        assert end.error is not None
        assert (end.error.code, end.error.retry) == (Refusal.UNAUTHENTICATED, False)
        assert end.error.reason.startswith(f"{reason}: set SHARED_SECRET")


# --- what a client refuses ---------------------------------------------------------------------


def test_a_server_without_the_secret_is_refused() -> None:
    machine = client()
    machine.start()
    reason = refused(lambda: machine.receive(Welcome("fr-hub", 8)))
    assert reason.startswith("the peer has no key: set SHARED_SECRET")


def test_a_server_with_another_secret_is_refused() -> None:
    machine, false = client(), server(OTHER)
    machine.start()
    (challenge,) = false.receive(HELLO)
    machine.receive(challenge)
    proof = challenged(client(OTHER))
    false.receive(proof)
    assert "another key" in refused(lambda: machine.receive(false.welcome(8)[0]))
    assert not machine.complete


def test_a_server_that_demands_a_secret_that_nobody_has_is_refused() -> None:
    machine = client(None)
    machine.start()
    reason = refused(lambda: machine.receive(Challenge("fr-hub", B)), Refusal.UNEXPECTED)
    assert "set SHARED_SECRET" in reason


def test_a_refusal_by_the_server_is_raised_as_it_was_sent() -> None:
    machine = client()
    machine.start()
    with pytest.raises(ProtocolError) as raised:
        machine.receive(Nack(None, Refusal.UNKNOWN_PACS, "who?", retry=True))
    error = raised.value
    assert (error.code, error.reason, error.retry) == (Refusal.UNKNOWN_PACS, "who?", True)


# --- names -------------------------------------------------------------------------------------


def test_a_name_that_the_certificate_lacks_is_refused() -> None:
    held = frozenset({"pacs-2", "pacs-3"})
    for machine, message in (
        (client(None, certified=held), Welcome("fr-hub", 8)),
        (client(certified=held), Challenge("fr-hub", B)),
    ):
        machine.start()
        reason = refused(partial(machine.receive, message))
        assert "'fr-hub' but its certificate belongs to 'pacs-2', 'pacs-3'" in reason
    hub = server(None, certified=frozenset())
    assert "belongs to nobody" in refused(lambda: hub.receive(Hello("pacs-1")))
    assert not hub.complete


def test_another_peer_than_the_expected_one_may_be_tried_again() -> None:
    machine = client(peer="fr-hub")
    machine.start()
    with pytest.raises(ProtocolError, match="the peer is 'other', not 'fr-hub'") as raised:
        machine.receive(Challenge("other", B))
    assert raised.value.retry
    hub = server(None, peer="pacs-2")
    assert "'pacs-1', not 'pacs-2'" in refused(lambda: hub.receive(Hello("pacs-1")))


@pytest.mark.parametrize("secret", [None, SECRET])
def test_the_expected_and_certified_peer_is_accepted(secret: bytes | None) -> None:
    pair = Pair(
        client(secret, peer="fr-hub", certified=frozenset({"fr-hub", "x"})),
        server(secret, peer="pacs-1", certified=frozenset({"pacs-1"})),
    )
    assert pair.client.machine.complete


# --- wrong order and wrong versions --------------------------------------------------------------

ANY = (HELLO, Challenge("fr-hub", B), Proof(A), Welcome("fr-hub", 8), Ping(), Ack(("scan-1",)))
INVALID = InvalidMessage("scan-1", Refusal.HEADER, "x")


def started() -> ClientHandshake:
    machine = client()
    machine.start()
    return machine


def proving() -> ClientHandshake:
    machine = client()
    challenged(machine)
    return machine


def hello_taken() -> ServerHandshake:
    machine = server()
    machine.receive(HELLO)
    return machine


def accepted() -> ServerHandshake:
    machine = server(None)
    machine.receive(Hello("pacs-1"))
    return machine


@pytest.mark.parametrize(
    ("make", "allowed"),
    [
        (client, set()),  # before ``start``
        (started, {"challenge", "welcome"}),
        (proving, {"welcome"}),
        (server, {"hello"}),
        (hello_taken, {"proof"}),
        (accepted, set()),  # before ``welcome``
    ],
)
@pytest.mark.parametrize("event", [*ANY, INVALID], ids=lambda event: getattr(event, "t", "invalid"))
def test_a_message_out_of_order_ends_the_handshake(
    make: Callable[[], ClientHandshake | ServerHandshake],
    allowed: set[str],
    event: Message | InvalidMessage,
) -> None:
    if getattr(event, "t", None) in allowed:
        return
    machine = make()
    assert "out of order" in refused(lambda: machine.receive(event), Refusal.UNEXPECTED)
    assert not machine.complete
    for late in (HELLO, Welcome("fr-hub", 8)):
        refused(partial(machine.receive, late), Refusal.UNEXPECTED)


def test_a_complete_handshake_takes_nothing_more() -> None:
    pair = Pair(client(), server())
    for end in (pair.client, pair.server):
        for event in ANY:
            refused(partial(end.machine.receive, event), Refusal.UNEXPECTED)


def test_nobody_is_welcomed_before_being_accepted() -> None:
    for machine in (server(), hello_taken()):
        with pytest.raises(RuntimeError):
            machine.welcome(8)


@steps
@pytest.mark.parametrize("version", [0, PROTOCOL_VERSION - 1, PROTOCOL_VERSION + 1])
def test_another_version_is_refused_at_either_end(step: int, version: int) -> None:
    one, other = End(started(), SCANS[0]), End(server(), SCANS[1])
    other.line += encode(dataclasses.replace(HELLO, version=version))
    one.line += encode(Welcome("fr-hub", 8, version=version))
    for end in (one, other):
        while end.line and end.error is None:
            assert end.take(step) == ()
        assert end.error is not None
        assert end.error.code is Refusal.VERSION
        assert f"version {version}" in end.error.reason
        assert not end.machine.complete


# --- features ------------------------------------------------------------------------------------


@steps
def test_both_agree_on_the_features_that_both_list(step: int) -> None:
    pair = Pair(
        client(features=("a", "only-client", "b")), server(features=("b", "only-server", "a")), step
    )
    for end in (pair.client, pair.server):
        assert end.machine.agreed_features == {"a", "b"}


@pytest.mark.parametrize("secret", [None, SECRET])
def test_features_that_the_peer_does_not_know_are_ignored(secret: bytes | None) -> None:
    pair = Pair(client(secret, features=("new",)), server(secret))
    assert pair.client.machine.complete
    assert pair.client.machine.agreed_features == pair.server.machine.agreed_features == set()


# --- keys ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("sides", [SCANS, REPORTS])
def test_the_key_of_a_fr_pacs_is_enough_for_it(sides: tuple[Side, Side]) -> None:
    own = PacsKey(HubSecret(SECRET).key_of("pacs-1"))
    if sides is SCANS:
        one = ClientHandshake(sides[0], "pacs-1", own, A)
        other = server()
    else:
        one = client(name="fr-hub", side=sides[0])
        other = ServerHandshake(sides[1], "pacs-1", own, B)
    pair = Pair(one, other)
    assert pair.client.machine.complete
    keys = one.frame_keys
    assert keys is not None
    assert pair.server_keys == FrameKeys(outgoing=keys.incoming, incoming=keys.outgoing)
    assert keys.incoming != keys.outgoing


@pytest.mark.parametrize("claims", ["pacs-2", "fr-hub", ""])
def test_the_key_of_one_fr_pacs_proves_no_other_name(claims: str) -> None:
    """Neither to Fr-HUB as another Fr-PACS, nor to another Fr-PACS as Fr-HUB."""
    own = PacsKey(HubSecret(SECRET).key_of("pacs-1"))
    pair = Pair(ClientHandshake(SCANS[0], claims, own, A), server())
    assert pair.server.error is not None
    assert "another key" in pair.server.error.reason
    to = ServerHandshake(REPORTS[1], "pacs-2", PacsKey(HubSecret(SECRET).key_of("pacs-2")), B)
    pair = Pair(ClientHandshake(REPORTS[0], "fr-hub", own, A), to)
    assert pair.server.error is not None
    assert "another key" in pair.server.error.reason


def test_inside_tls_frames_have_no_keys() -> None:
    pair = Pair(client(certified=frozenset({"fr-hub"})), server(certified=frozenset({"pacs-1"})))
    assert pair.client.machine.complete
    assert isinstance(pair.client.machine, ClientHandshake)
    assert pair.client.machine.frame_keys is pair.server_keys is None
    assert Pair(client(None), server(None)).server_keys is None
