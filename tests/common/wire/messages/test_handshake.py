"""The messages of the handshake: what each carries, and the fields that it refuses."""

from typing import Any

import pytest

from common.errors import Refusal
from common.wire.constants import FEATURES_MAX, NONCE_BYTES, PROTOCOL_VERSION
from common.wire.messages.handshake import Challenge, Hello, Proof, Welcome
from tests.common.wire.frames import EXAMPLES, RANDOM, frame_of, protocol_for, refused

WITHOUT_A_KEY = (
    (Hello("pacs-1"), {"name": "pacs-1", "version": PROTOCOL_VERSION, "features": []}),
    (
        Welcome("fr-hub", 9, features=("a", "b-2")),
        {"name": "fr-hub", "version": PROTOCOL_VERSION, "window": 9, "features": ["a", "b-2"]},
    ),
)
NO_FEATURES = [
    *(None, "a", [1], ["A"], [""], ["-a"], ["a,b"], ["a" * 33], ["é"], ["a\n"]),
    [f"feature-{n}" for n in range(FEATURES_MAX + 1)],
]
SHORT, LONG = RANDOM[1:], RANDOM + b"."


@pytest.mark.parametrize(
    ("kind", "name", "values", "wanted"),
    [
        ("hello", "name", [None, "a" * 1001, b"a"], "a string of at most 1000 characters"),
        ("hello", "version", ["1", True, 1.0, None], "an integer"),
        ("hello", "nonce", [None, b"", SHORT, LONG, "a"], f"binary, of {NONCE_BYTES} bytes"),
        ("challenge", "name", [None, b"a"], "a string of at most 1000 characters"),
        ("challenge", "nonce", [None, b"", SHORT, LONG, "a"], f"binary, of {NONCE_BYTES} bytes"),
        ("proof", "proof", [None, b"", SHORT, LONG, "a"], f"binary, of {NONCE_BYTES} bytes"),
        ("welcome", "name", [None, b"a"], "a string of at most 1000 characters"),
        ("welcome", "version", ["1", True, 1.0, None], "an integer"),
        ("welcome", "window", ["10", True, 1.5, None], "an integer"),
        ("hello", "features", NO_FEATURES, f"an array of at most {FEATURES_MAX} names"),
        ("welcome", "features", NO_FEATURES, f"an array of at most {FEATURES_MAX} names"),
        ("welcome", "proof", [None, b"", SHORT, LONG, "a"], f"binary, of {NONCE_BYTES} bytes"),
    ],
)
def test_a_field_of_a_wrong_type_is_named_and_ends_the_connection(
    kind: str, name: str, values: list[Any], wanted: str
) -> None:
    side, message = next(pair for pair in EXAMPLES if pair[1].t == kind)
    for value in values:
        document = {"t": kind, **message.body(), name: value}
        error = refused(protocol_for(side, message), frame_of(document))
        assert error.code is Refusal.MALFORMED
        assert f"the field {name!r} must be {wanted}" in str(error)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (Hello, "name"),
        (Hello, "version"),
        (Challenge, "name"),
        (Challenge, "nonce"),
        (Proof, "proof"),
        (Welcome, "name"),
        (Welcome, "version"),
        (Welcome, "window"),
    ],
)
def test_a_missing_field_is_refused(kind: type[Hello], name: str) -> None:
    side, message = next(pair for pair in EXAMPLES if isinstance(pair[1], kind))
    body = message.body()
    del body[name]
    error = refused(protocol_for(side, message), frame_of({"t": message.t, **body}))
    assert f"the field {name!r} must be" in str(error)


@pytest.mark.parametrize(("message", "body"), WITHOUT_A_KEY)
def test_without_a_key_no_nonce_and_no_proof_travel(
    message: Hello | Welcome, body: dict[str, Any]
) -> None:
    assert message.body() == body
    assert type(message).parse(body) == message


@pytest.mark.parametrize("version", [0, PROTOCOL_VERSION + 1])
def test_another_version_is_read_so_that_the_refusal_can_name_it(version: int) -> None:
    assert Hello.parse(Hello("pacs-1", version).body()).version == version
    assert Welcome.parse(Welcome("fr-hub", 1, version).body()).version == version


def test_features_that_nobody_knows_are_read_and_an_absent_list_is_empty() -> None:
    many = tuple(f"feature_{n}" for n in range(FEATURES_MAX))
    assert Hello.parse(Hello("pacs-1", features=many).body()).features == many
    body = Welcome("fr-hub", 1).body()
    del body["features"]
    assert Welcome.parse(body).features == ()
