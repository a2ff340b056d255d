"""The greeting with a shared secret: two ends in memory, then on real sockets."""

import asyncio
import contextlib
import dataclasses
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import FrError, ProtocolError, Refusal
from common.wire.async_connection import AsyncChannel
from common.wire.async_server import serve
from common.wire.blocking_connection import Channel
from common.wire.connection_policy import PLAIN, ConnectionPolicy
from common.wire.constants import NONCE_BYTES
from common.wire.handshake import ClientHandshake, ServerHandshake
from common.wire.messages import Challenge, Hello, Ping, Proof, Scan, Welcome
from common.wire.protocol import Side, WireProtocol, encode
from tests.common.wire.async_peers import run
from tests.common.wire.frames import refused
from tests.common.wire.peers import (
    IDLE_S,
    LIMIT,
    LOOPBACK,
    WITHIN_S,
    Aside,
    channel_to_bare,
    channels,
)
from tests.strategies import a_scan

SECRET, OTHER = b"correct-horse-battery-staple-1234", b"another-horse-battery-staple-1234"
A, B, C = (bytes([n]) * NONCE_BYTES for n in (1, 2, 3))
SCANS = (Side.SCAN_SENDER, Side.SCAN_RECEIVER)
REPORTS = (Side.REPORT_SENDER, Side.REPORT_RECEIVER)


def client_handshake(
    secret: bytes | None = SECRET, name: str = "pacs-1", side: Side = SCANS[0]
) -> ClientHandshake:
    return ClientHandshake(side, name, secret, A)


def server_handshake(
    secret: bytes | None = SECRET, name: str = "fr-hub", nonce: bytes = B, side: Side = SCANS[1]
) -> ServerHandshake:
    return ServerHandshake(side, name, secret, nonce)


def challenge_of(answering: ServerHandshake, hello: Hello) -> Challenge:
    challenge = answering.challenge(hello)
    assert challenge is not None
    return challenge


def unproved(answering: ServerHandshake, proof: Proof) -> None:
    with pytest.raises(ProtocolError, match="another shared secret") as raised:
        answering.check(proof)
    assert raised.value.code is Refusal.UNAUTHENTICATED
    assert not raised.value.retry


# --- in memory ---------------------------------------------------------------------------------


def test_two_ends_with_the_same_secret_prove_it_to_each_other() -> None:
    asking, answering = client_handshake(), server_handshake()
    proof = asking.prove(challenge_of(answering, asking.hello()))
    answering.check(proof)
    welcome = answering.welcome(8)
    asking.check(welcome)
    for message in (asking.hello(), proof, welcome):
        assert SECRET not in encode(message)


def test_two_ends_without_a_secret_greet_as_ever() -> None:
    asking, answering = client_handshake(None), server_handshake(None)
    assert asking.hello() == Hello("pacs-1")
    assert answering.challenge(asking.hello()) is None
    welcome = answering.welcome(8)
    assert welcome == Welcome("fr-hub", 8)
    asking.check(welcome)


def test_another_secret_is_refused_by_who_listens() -> None:
    asking, answering = client_handshake(OTHER), server_handshake()
    unproved(answering, asking.prove(challenge_of(answering, asking.hello())))


def test_another_secret_is_refused_by_who_connects() -> None:
    asking, answering = client_handshake(), server_handshake(OTHER)
    asking.prove(challenge_of(answering, asking.hello()))
    with pytest.raises(ProtocolError, match="another shared secret"):
        asking.check(answering.welcome(8))


def test_a_secret_on_one_side_only_is_refused_and_said() -> None:
    with pytest.raises(ProtocolError, match="this unit has a shared secret, the peer has none"):
        server_handshake().challenge(client_handshake(None).hello())
    with pytest.raises(ProtocolError, match="the peer has one, this unit has none: set SHARED"):
        server_handshake(None).challenge(client_handshake().hello())
    with pytest.raises(ProtocolError, match="the peer has no shared secret: set SHARED_SECRET"):
        client_handshake().check(Welcome("fr-hub", 8))


def test_a_proof_cannot_be_used_again() -> None:
    asking, answering = client_handshake(), server_handshake()
    proof = asking.prove(challenge_of(answering, asking.hello()))
    later = server_handshake(nonce=C)
    later.challenge(asking.hello())
    unproved(later, proof)


def test_a_welcome_cannot_be_used_again() -> None:
    asking, answering = client_handshake(), server_handshake()
    answering.check(asking.prove(challenge_of(answering, asking.hello())))
    welcome = answering.welcome(8)
    again = ClientHandshake(SCANS[0], "pacs-1", SECRET, C)
    again.prove(Challenge("fr-hub", B))
    with pytest.raises(ProtocolError, match="another shared secret"):
        again.check(welcome)


def test_a_proof_cannot_be_sent_back_to_who_made_it() -> None:
    """A stranger who listens has it made, and shows it as its own welcome; or as its own proof
    where the same unit listens."""
    asking = client_handshake()
    proof = asking.prove(Challenge("fr-hub", A))  # its own nonce, too
    with pytest.raises(ProtocolError, match="another shared secret"):
        asking.check(Welcome("fr-hub", 8, proof=proof.proof))
    own = server_handshake(name="pacs-1", nonce=A)
    own.challenge(Hello("fr-hub", nonce=A))
    unproved(own, proof)


@pytest.mark.parametrize(
    ("hello", "challenge"),
    [
        (Hello("pacs-2", nonce=A), Challenge("fr-hub", B)),
        (Hello("pacs-1", nonce=C), Challenge("fr-hub", B)),
        (Hello("pacs-1", nonce=A), Challenge("fr-hub2", B)),
        (Hello("pacs-1", nonce=A), Challenge("fr-hub", C)),
        # The same letters, a name's end in the next name's beginning.
        (Hello("pacs-1f", nonce=A), Challenge("r-hub", B)),
    ],
)
def test_a_proof_is_of_these_names_and_nonces(hello: Hello, challenge: Challenge) -> None:
    proof = ClientHandshake(SCANS[0], hello.name, SECRET, hello.nonce).prove(challenge)
    answering = server_handshake()
    answering.challenge(Hello("pacs-1", nonce=A))
    unproved(answering, proof)


def test_a_proof_for_scans_is_none_for_reports() -> None:
    answering = server_handshake(side=REPORTS[1])
    answering.challenge(client_handshake().hello())
    unproved(answering, client_handshake().prove(Challenge("fr-hub", B)))


def test_a_name_that_changes_during_the_greeting_is_refused() -> None:
    asking, answering = client_handshake(), server_handshake()
    answering.check(asking.prove(challenge_of(answering, asking.hello())))
    with pytest.raises(ProtocolError):
        asking.check(dataclasses.replace(answering.welcome(8), name="fr-hub2"))


def test_a_challenge_is_answered_once_and_only_when_asked_for() -> None:
    asking = client_handshake()
    asking.prove(Challenge("fr-hub", B))
    with pytest.raises(ProtocolError, match="not asked for"):
        asking.prove(Challenge("fr-hub", C))
    with pytest.raises(ProtocolError, match="not asked for"):
        client_handshake(None).prove(Challenge("fr-hub", B))


def test_a_proof_without_a_hello_is_refused() -> None:
    unproved(server_handshake(), Proof(A))


@given(st.binary(min_size=NONCE_BYTES, max_size=NONCE_BYTES))
def test_no_guess_is_a_proof(guess: bytes) -> None:
    answering = server_handshake()
    answering.challenge(Hello("pacs-1", nonce=A))
    unproved(answering, Proof(guess))


# --- the protocol ------------------------------------------------------------------------------


@pytest.mark.parametrize("early", [Scan(a_scan(), b"voxels.."), Ping(), Hello("pacs-1")], ids=str)
def test_until_the_proof_is_checked_nothing_else_is_listened_to(early: object) -> None:
    protocol = WireProtocol(Side.SCAN_RECEIVER, LIMIT)
    protocol.receive_data(encode(Hello("pacs-1", nonce=A)))
    assert protocol.next_event() == Hello("pacs-1", nonce=A)
    assert not protocol.is_open
    assert refused(protocol, encode(early)).code is Refusal.UNEXPECTED  # type: ignore[arg-type]


def test_a_proof_alone_opens_nothing() -> None:
    protocol = WireProtocol(Side.SCAN_RECEIVER, LIMIT)
    protocol.receive_data(encode(Hello("pacs-1", nonce=A)) + encode(Proof(B)))
    protocol.next_event()
    assert protocol.next_event() == Proof(B)
    assert not protocol.is_open
    protocol.complete_handshake()
    protocol.receive_data(encode(Ping()))
    assert protocol.next_event() == Ping()


# --- on sockets --------------------------------------------------------------------------------


def policy(secret: bytes | None) -> ConnectionPolicy:
    return ConnectionPolicy(secret=secret)


def threads(pacs: ConnectionPolicy, hub: ConnectionPolicy) -> tuple[object, object]:
    """Fr-HUB dials, Fr-PACS listens; both as blocking channels."""
    with channel_to_bare(Side.REPORT_SENDER, policy=hub) as (asking, peer):
        answering = Channel(peer, Side.REPORT_RECEIVER, LIMIT, IDLE_S, pacs)
        with contextlib.closing(answering):
            aside = Aside(lambda: asking.greet("fr-hub", "pacs-1"))
            other = Aside(lambda: answering.welcome("pacs-1", 8, "fr-hub"))
            return aside.result(), other.result()


def loop_and_thread(pacs: ConnectionPolicy, hub: ConnectionPolicy) -> tuple[object, object]:
    """Fr-PACS connects from a thread, Fr-HUB listens in a loop."""
    heard: list[object] = []

    async def handle(channel: AsyncChannel) -> None:
        try:
            heard.append(await channel.accept_hello("fr-hub"))
            await channel.welcome("fr-hub", 8)
        except FrError as error:
            heard.append(error)

    def connect(port: int) -> object:
        channel = Channel.connect((LOOPBACK, port), Side.SCAN_SENDER, LIMIT, IDLE_S, WITHIN_S, pacs)
        with contextlib.closing(channel):
            try:
                return channel.greet("pacs-1", "fr-hub")
            except FrError as error:
                return error

    async def test() -> object:
        server = await serve((LOOPBACK, 0), Side.SCAN_RECEIVER, LIMIT, IDLE_S, handle, hub)
        async with server:
            return await asyncio.to_thread(connect, server.sockets[0].getsockname()[1])

    return asyncio.run(test()), heard[0]


BOTH = pytest.mark.parametrize("greet", [threads, loop_and_thread])
Greet = Callable[[ConnectionPolicy, ConnectionPolicy], tuple[object, object]]


@BOTH
def test_the_same_secret_is_welcome(greet: Greet) -> None:
    said, heard = greet(policy(SECRET), policy(SECRET))
    assert isinstance(said, Welcome)
    assert isinstance(heard, Hello)


@BOTH
@pytest.mark.parametrize(
    ("pacs", "hub", "why"),
    [
        (SECRET, OTHER, "another shared secret"),
        (SECRET, None, "SHARED_SECRET"),
        (None, SECRET, "SHARED_SECRET"),
    ],
)
def test_any_other_is_refused_and_both_are_told(
    greet: Greet, pacs: bytes | None, hub: bytes | None, why: str
) -> None:
    for error in greet(policy(pacs), policy(hub)):
        assert isinstance(error, ProtocolError)
        assert (error.code, error.retry) == (Refusal.UNAUTHENTICATED, False)
        assert why in error.reason


def test_nonces_are_fresh() -> None:
    hellos = {policy(SECRET).client_handshake(SCANS[0], "pacs-1").hello().nonce for _ in range(100)}
    assert len(hellos) == 100


def test_without_secrets_nothing_is_asked() -> None:
    with channels(*SCANS) as (pacs, hub):
        greeting = Aside(lambda: pacs.greet("pacs-1"))
        hub.welcome("fr-hub", 8)
        assert greeting.result() == Welcome("fr-hub", 8)
    assert PLAIN.secret is None


def test_who_goes_on_without_a_proof_gets_nothing() -> None:
    async def test() -> None:
        ended = asyncio.get_running_loop().create_future()

        async def handle(channel: AsyncChannel) -> None:
            try:
                await channel.accept_hello("fr-hub")
            except FrError as error:
                ended.set_result(error)

        server = await serve(
            (LOOPBACK, 0), Side.SCAN_RECEIVER, LIMIT, IDLE_S, handle, policy(SECRET)
        )
        async with server:
            _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(encode(Hello("pacs-1", nonce=A)) + encode(Scan(a_scan(), b"voxels..")))
            error = await ended
            assert isinstance(error, ProtocolError)
            assert error.code is Refusal.UNEXPECTED
            writer.close()

    run(test())
