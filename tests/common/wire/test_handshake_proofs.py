"""What a proof covers: it cannot be replayed, reflected, guessed or changed."""

import dataclasses
import struct
from typing import Any

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from common.domain.pacs_key import HubSecret
from common.errors import ProtocolError
from common.wire.constants import NONCE_BYTES, PROTOCOL_VERSION
from common.wire.handshake import ClientHandshake, FrameKeys, ServerHandshake
from common.wire.messages import (
    Challenge,
    Hello,
    Message,
    Ping,
    Proof,
    Welcome,
)
from tests.common.wire.handshakes import (
    HELLO,
    REPORTS,
    SECRET,
    A,
    B,
    C,
    Pair,
    challenged,
    client,
    refused,
    server,
)


def not_proved(machine: ServerHandshake, proof: Proof) -> None:
    assert "another key" in refused(lambda: machine.receive(proof))
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
    assert "another key" in refused(lambda: again.receive(welcome))


def test_a_proof_cannot_be_reflected_to_its_author() -> None:
    """A false server has it made, then returns it as its own welcome; or as its own proof where
    the same unit listens."""
    machine = client()
    proof = challenged(machine, Challenge("fr-hub", A))  # its own nonce, too
    assert "another key" in refused(
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


@pytest.mark.parametrize(
    ("index", "change"),
    [
        (0, {"features": ("a",)}),
        (0, {"features": ("b", "a")}),
        (0, {"name": "pacs-2"}),
        (1, {"name": "fr-hub2"}),
        (3, {"features": ("c",)}),
        (3, {"window": 1}),
        (3, {"name": "fr-hub2"}),
    ],
)
def test_whatever_a_relay_changes_in_the_handshake_is_refused(
    index: int, change: dict[str, Any]
) -> None:
    message = Pair(client(features=FEATURES), server()).sent[index]
    with pytest.raises(ProtocolError, match="another key"):
        exchange(index, dataclasses.replace(message, **change))


FEATURES = ("a", "b")


def exchange(index: int, replaced: Message) -> None:
    """A handshake in which one message is another on its arrival."""
    one, other = client(features=FEATURES), server()
    outgoing: list[Message] = list(one.start())
    for number in range(4):
        if number == 3:
            outgoing = [other.welcome(8)[0]]
        arriving = replaced if number == index else outgoing[0]
        outgoing = list((other, one)[number % 2].receive(arriving))
    assert one.complete


def test_an_unchanged_exchange_is_complete() -> None:
    exchange(-1, Ping())


def test_a_server_that_changes_its_name_is_refused() -> None:
    machine, true = client(), server()
    (challenge,) = true.receive(HELLO)
    true.receive(challenged(machine, challenge))  # type: ignore[arg-type]
    welcome = dataclasses.replace(true.welcome(8)[0], name="fr-hub2")
    refused(lambda: machine.receive(welcome))


def parts_of(purpose: bytes, *more: bytes) -> bytes:
    version = struct.pack("<I", PROTOCOL_VERSION)
    parts = (b"Fr", version, purpose, b"scans", b"pacs-1", b"fr-hub", A, B, *more)
    return b"".join(struct.pack("<I", len(part)) + part for part in parts)


def test_proofs_and_frame_keys_are_keyed_blake3_of_the_documented_bytes() -> None:
    """The worked example for other implementations."""
    pair = Pair(client(features=("a", "b-2")), server(features=("c",)))
    key = HubSecret(SECRET).key_of("pacs-1")
    _, _, proof, welcome = pair.sent
    assert isinstance(proof, Proof)
    assert isinstance(welcome, Welcome)
    assert proof.proof == blake3(parts_of(b"asks", b"a,b-2"), key=key).digest()
    said = (b"a,b-2", b"c", struct.pack("<q", 8))
    assert welcome.proof == blake3(parts_of(b"answers", *said), key=key).digest()
    keys = FrameKeys(
        *(blake3(parts_of(f"frames to {end}".encode(), *said), key=key).digest() for end in TO)
    )
    assert pair.server_keys == FrameKeys(outgoing=keys.incoming, incoming=keys.outgoing)
    assert isinstance(pair.client.machine, ClientHandshake)
    assert pair.client.machine.frame_keys == keys


TO = ("receiver", "sender")
