"""The handshake's two machines, joined in memory through the frames that would travel."""

import dataclasses
import hmac
import struct
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import ProtocolError, Refusal
from common.wire.constants import NONCE_BYTES, PROTOCOL_VERSION
from common.wire.frames import encode
from common.wire.handshake import ClientHandshake, Outgoing, ServerHandshake
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
from common.wire.protocol import Side, WireProtocol
from tests.common.wire.frames import LIMIT

SECRET, OTHER = b"correct-horse-battery-staple-1234", b"another-horse-battery-staple-1234"
A, B, C = (bytes([n]) * NONCE_BYTES for n in (1, 2, 3))
SCANS = (Side.SCAN_SENDER, Side.SCAN_RECEIVER)
REPORTS = (Side.REPORT_SENDER, Side.REPORT_RECEIVER)
HELLO = Hello("pacs-1", nonce=A)


def client(
    secret: bytes | None = SECRET,
    *,
    name: str = "pacs-1",
    nonce: bytes = A,
    side: Side = SCANS[0],
    peer: str | None = None,
    certified: frozenset[str] | None = None,
) -> ClientHandshake:
    return ClientHandshake(
        side, name, secret, nonce, expected_peer=peer, certificate_names=certified
    )


def server(
    secret: bytes | None = SECRET,
    *,
    name: str = "fr-hub",
    nonce: bytes = B,
    side: Side = SCANS[1],
    peer: str | None = None,
    certified: frozenset[str] | None = None,
) -> ServerHandshake:
    return ServerHandshake(
        side, name, secret, nonce, expected_peer=peer, certificate_names=certified
    )


class End:
    """One end: its machine, its protocol, and the bytes on their way to it."""

    def __init__(self, machine: ClientHandshake | ServerHandshake, side: Side) -> None:
        self.machine = machine
        self.protocol = WireProtocol(side, LIMIT)
        self.line = bytearray()
        self.error: ProtocolError | None = None

    def take(self, size: int) -> Outgoing:
        """Take some bytes of its line; what it sends in answer."""
        self.protocol.receive_data(bytes(self.line[:size]))
        del self.line[:size]
        answers: list[Message] = []
        try:
            while (event := self.protocol.next_event()) is not None:
                answers += self.machine.receive(event)
        except ProtocolError as error:
            self.error = error
        return tuple(answers)  # type: ignore[arg-type]


class Pair:
    """A client and a server, joined by two lines that carry ``step`` bytes at a time."""

    def __init__(self, one: ClientHandshake, other: ServerHandshake, step: int = 1 << 20) -> None:
        side = SCANS if one._direction == b"scans" else REPORTS
        self.client, self.server = End(one, side[0]), End(other, side[1])
        self.sent: list[Message] = []
        self._step = step
        self._send(one.start(), self.server)
        self._send(other.start(), self.client)
        self._run()
        if other.complete:
            self._send((other.welcome(8),), self.client)
            self._run()
        elif self.server.error is not None:
            error = self.server.error
            self._send((Nack(None, error.code, error.reason, error.retry),), self.client)
            self._run()

    def _send(self, messages: tuple[Message, ...], to: End) -> None:
        self.sent += messages
        for message in messages:
            to.line += encode(message)

    def _run(self) -> None:
        ends = (self.client, self.server)
        while any(end.line and end.error is None for end in ends):
            for end, other in (ends, ends[::-1]):
                if end.line and end.error is None:
                    self._send(end.take(self._step), other)


steps = pytest.mark.parametrize("step", [1, 7, 1 << 20], ids=["byte", "seven", "whole"])


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
        (None, SECRET, "this unit has a shared secret, the peer has none"),
        (SECRET, None, "the peer has a shared secret, this unit has none"),
        (OTHER, SECRET, "the peer has another shared secret"),
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


def refused(act: Callable[[], object], code: Refusal = Refusal.UNAUTHENTICATED) -> str:
    with pytest.raises(ProtocolError) as raised:
        act()
    assert raised.value.code is code
    return raised.value.reason


def challenged(machine: ClientHandshake, challenge: Challenge | None = None) -> Proof:
    """Start a client and challenge it; its proof."""
    machine.start()
    (proof,) = machine.receive(challenge or Challenge("fr-hub", B))
    assert isinstance(proof, Proof)
    return proof


def test_a_server_without_the_secret_is_refused() -> None:
    machine = client()
    machine.start()
    reason = refused(lambda: machine.receive(Welcome("fr-hub", 8)))
    assert reason.startswith("the peer has no shared secret: set SHARED_SECRET")


def test_a_server_with_another_secret_is_refused() -> None:
    machine, false = client(), server(OTHER)
    machine.start()
    (challenge,) = false.receive(HELLO)
    machine.receive(challenge)
    proof = false._proof(b"answers", ("pacs-1", "fr-hub"), (A, B))
    assert "another shared secret" in refused(
        lambda: machine.receive(Welcome("fr-hub", 8, proof=proof))
    )
    assert not machine.complete


def test_a_server_that_demands_a_secret_that_nobody_has_is_refused() -> None:
    machine = client(None)
    machine.start()
    reason = refused(lambda: machine.receive(Challenge("fr-hub", B)), Refusal.UNEXPECTED)
    assert "set SHARED_SECRET" in reason


def test_a_server_that_changes_its_name_is_refused() -> None:
    machine, true = client(), server()
    (challenge,) = true.receive(HELLO)
    true.receive(challenged(machine, challenge))  # type: ignore[arg-type]
    welcome = dataclasses.replace(true.welcome(8), name="fr-hub2")
    refused(lambda: machine.receive(welcome))


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


# --- replay and reflection ---------------------------------------------------------------------


def not_proved(machine: ServerHandshake, proof: Proof) -> None:
    assert "another shared secret" in refused(lambda: machine.receive(proof))
    assert not machine.complete


def test_a_proof_cannot_be_replayed() -> None:
    proof = challenged(client())
    later = server(nonce=C)
    later.receive(HELLO)
    not_proved(later, proof)


def test_a_welcome_cannot_be_replayed() -> None:
    welcome = Pair(client(), server()).sent[-1]
    again = client(nonce=C)
    challenged(again)
    assert "another shared secret" in refused(lambda: again.receive(welcome))


def test_a_proof_cannot_be_reflected_to_its_author() -> None:
    """A false server has it made, then returns it as its own welcome; or as its own proof where
    the same unit listens."""
    machine = client()
    proof = challenged(machine, Challenge("fr-hub", A))  # its own nonce, too
    assert "another shared secret" in refused(
        lambda: machine.receive(Welcome("fr-hub", 8, proof=proof.proof))
    )
    own = server(name="pacs-1", nonce=A)
    own.receive(Hello("fr-hub", nonce=A))
    not_proved(own, proof)


@pytest.mark.parametrize(
    ("hello", "challenge"),
    [
        (Hello("pacs-2", nonce=A), Challenge("fr-hub", B)),
        (Hello("pacs-1", nonce=C), Challenge("fr-hub", B)),
        (Hello("pacs-1", nonce=A), Challenge("fr-hub2", B)),
        (Hello("pacs-1", nonce=A), Challenge("fr-hub", C)),
        # The same letters: the end of one name in the beginning of the next.
        (Hello("pacs-1f", nonce=A), Challenge("r-hub", B)),
    ],
)
def test_a_proof_covers_both_names_and_nonces(hello: Hello, challenge: Challenge) -> None:
    proof = challenged(client(name=hello.name, nonce=hello.nonce), challenge)
    machine = server()
    machine.receive(HELLO)
    not_proved(machine, proof)


def test_a_proof_for_scans_is_not_valid_for_reports() -> None:
    machine = server(side=REPORTS[1])
    machine.receive(HELLO)
    not_proved(machine, challenged(client()))


@given(st.binary(min_size=NONCE_BYTES, max_size=NONCE_BYTES))
def test_no_guess_is_a_proof(guess: bytes) -> None:
    machine = server()
    machine.receive(HELLO)
    not_proved(machine, Proof(guess))


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
        assert f"version {version}," in end.error.reason
        assert not end.machine.complete


@given(st.data())
def test_any_changed_byte_of_any_message_is_refused(data: st.DataObject) -> None:
    """Also with a right check value: as by an attacker, not by a bad link."""
    whole = Pair(client(), server())
    index = data.draw(st.sampled_from([1, 2, 3]))
    message = whole.sent[index]
    field = {1: "nonce", 2: "proof", 3: "proof"}[index]
    value = bytearray(getattr(message, field))
    value[data.draw(st.integers(0, NONCE_BYTES - 1))] ^= data.draw(st.integers(1, 255))
    changes: dict[str, Any] = {field: bytes(value)}
    with pytest.raises(ProtocolError):
        exchange(index, dataclasses.replace(message, **changes))


def exchange(index: int, replaced: Message) -> None:
    """A handshake in which one message is another on its arrival."""
    one, other = client(), server()
    outgoing: list[Message] = list(one.start())
    for number in range(4):
        if number == 3:
            outgoing = [other.welcome(8)]
        arriving = replaced if number == index else outgoing[0]
        outgoing = list((other, one)[number % 2].receive(arriving))
    assert one.complete


def test_an_unchanged_exchange_is_complete() -> None:
    exchange(-1, Ping())


def test_the_proof_is_an_hmac_of_the_documented_bytes() -> None:
    """The worked example for other implementations."""
    version = struct.pack("<I", PROTOCOL_VERSION)
    parts = (b"Fr greeting", version, b"asks", b"scans", b"pacs-1", b"fr-hub", A, B)
    text = b"".join(struct.pack("<I", len(part)) + part for part in parts)
    assert challenged(client()).proof == hmac.digest(SECRET, text, "sha256")
