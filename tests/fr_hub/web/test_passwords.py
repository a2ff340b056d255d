"""Passwords are hashed with Argon2id, off the event loop, and remembered only as long as they are
right."""

import asyncio
import threading

import pytest

from fr_hub.web.passwords import Passwords
from fr_hub.web.problems import Problem
from tests.fr_hub.web.conftest import FAST

PASSWORD = "correct horse battery"  # noqa: S105 - of nothing


def test_a_hash_is_of_argon2id_with_the_parameters_of_the_rfc() -> None:
    assert Passwords().hash_now(PASSWORD).startswith("$argon2id$v=19$m=65536,t=3,p=4$")


def test_a_password_is_right_or_wrong_and_without_a_hash_it_is_wrong() -> None:
    passwords = Passwords(FAST)

    async def check() -> None:
        stored = await passwords.hash(PASSWORD)
        assert await passwords.is_right("ada", PASSWORD, stored)
        assert not await passwords.is_right("ada", PASSWORD + "x", stored)
        assert not await passwords.is_right("ada", PASSWORD, None)
        assert not await passwords.is_right("ada", PASSWORD, "no hash")

    asyncio.run(check())


def test_the_same_letters_typed_on_another_keyboard_are_the_same_password() -> None:
    passwords = Passwords(FAST)
    stored = passwords.hash_now("Zo\u00eb's password")
    assert asyncio.run(passwords.is_right("zoe", "Zoe\u0308's password", stored))


def test_a_right_password_is_remembered_until_another_one_is_stored() -> None:
    passwords = Passwords(FAST)
    stored, other = passwords.hash_now(PASSWORD), passwords.hash_now("another password")
    assert not passwords.is_remembered("ada", PASSWORD, stored)
    assert asyncio.run(passwords.is_right("ada", PASSWORD, stored))
    assert passwords.is_remembered("ada", PASSWORD, stored)
    assert not passwords.is_remembered("ada", PASSWORD, other)
    assert not passwords.is_remembered("ada", PASSWORD, None)
    assert not passwords.is_remembered("bob", PASSWORD, stored)
    assert PASSWORD.encode() not in b"".join(passwords._right)


def test_few_are_checked_at_once_off_the_event_loop_and_few_wait() -> None:
    passwords, here = Passwords(FAST), threading.get_ident()
    running: set[int] = set()
    gate = threading.Event()

    def slow(password: str) -> str:
        running.add(threading.get_ident())
        gate.wait(30)
        return password

    passwords.hash_now = slow  # type: ignore[method-assign]

    async def many() -> list[object]:
        tasks = [asyncio.create_task(passwords.hash(PASSWORD)) for _ in range(70)]
        _, waiting = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        assert waiting
        gate.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    results = asyncio.run(many())
    refused = [one for one in results if isinstance(one, Problem)]
    assert (len(refused), refused[0].status) == (6, 429)
    assert len(running) <= 2
    assert here not in running
    with pytest.raises(Problem):
        raise refused[0]
