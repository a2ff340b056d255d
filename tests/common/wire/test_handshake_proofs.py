"""What a proof covers: it cannot be replayed, reflected, guessed or changed."""

import dataclasses
import hmac
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import ProtocolError
from common.wire.constants import NONCE_BYTES, PROTOCOL_VERSION
from common.wire.handshake import ServerHandshake
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


def test_a_server_that_changes_its_name_is_refused() -> None:
    machine, true = client(), server()
    (challenge,) = true.receive(HELLO)
    true.receive(challenged(machine, challenge))  # type: ignore[arg-type]
    welcome = dataclasses.replace(true.welcome(8), name="fr-hub2")
    refused(lambda: machine.receive(welcome))


def test_the_proof_is_an_hmac_of_the_documented_bytes() -> None:
    """The worked example for other implementations."""
    version = struct.pack("<I", PROTOCOL_VERSION)
    parts = (b"Fr greeting", version, b"asks", b"scans", b"pacs-1", b"fr-hub", A, B)
    text = b"".join(struct.pack("<I", len(part)) + part for part in parts)
    assert challenged(client()).proof == hmac.digest(SECRET, text, "sha256")
