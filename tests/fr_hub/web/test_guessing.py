"""Who guesses passwords is slowed; nobody else is locked out."""

from fr_hub.web.guessing import ACCOUNT_MAX_S, FORGET_S, PAIR_MAX_S, Guessing, network_of


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def guess(guessing: Guessing, account: str, address: str) -> bool:
    """One wrong password; False if it was refused."""
    if guessing.refused_s(account, address):
        return False
    guessing.attempt(account, address)
    return True


def test_guesses_at_an_account_from_an_address_take_longer_and_longer() -> None:
    clock = Clock()
    guessing = Guessing(clock)
    made = 0
    for _ in range(3600):
        made += guess(guessing, "ada", "192.0.2.1")
        clock.now += 1
    assert made < 70
    assert 0 < guessing.refused_s("ada", "192.0.2.1") <= PAIR_MAX_S
    clock.now += FORGET_S + 1
    assert guessing.refused_s("ada", "192.0.2.1") == 0


def test_an_address_that_guesses_at_many_accounts_is_slowed_and_others_are_not() -> None:
    clock = Clock()
    guessing = Guessing(clock)
    guessing.attempt("bob", "192.0.2.1")
    guessing.succeeded("bob", "192.0.2.1")
    made = sum(guess(guessing, f"user-{n}", "192.0.2.1") for n in range(1000))
    assert made <= 21
    assert guessing.refused_s("ada", "192.0.2.1") > 0
    assert guessing.refused_s("ada", "192.0.2.2") == 0
    assert guessing.refused_s("bob", "192.0.2.1") == 0, "who signed in from there still may"


def test_an_account_that_many_addresses_guess_at_is_slow_but_open() -> None:
    clock = Clock()
    guessing = Guessing(clock)
    guessing.attempt("ada", "198.51.100.1")
    guessing.succeeded("ada", "198.51.100.1")
    for n in range(200):
        guess(guessing, "ada", f"192.0.2.{n}")
    assert guessing.refused_s("ada", "203.0.113.9") == 0
    assert guessing.attempt("ada", "203.0.113.9") == ACCOUNT_MAX_S
    assert guessing.refused_s("ada", "198.51.100.1") == 0
    assert guessing.attempt("ada", "198.51.100.1") == 0, "a known address waits for nobody"


def test_the_addresses_of_a_network_of_ipv6_are_one() -> None:
    clock = Clock()
    guessing = Guessing(clock)
    made = sum(guess(guessing, "ada", f"2001:db8::{n:x}") for n in range(100))
    assert made <= 4
    assert guessing.refused_s("ada", "2001:db8:0:1::1") == 0
    assert guess(guessing, "ada", "unknown")


def test_an_address_of_ipv4_is_not_a_network_of_ipv6() -> None:
    assert network_of("::ffff:192.0.2.1") == network_of("192.0.2.1") == "192.0.2.1"


def test_a_right_password_ends_the_wait() -> None:
    guessing = Guessing(Clock())
    for _ in range(3):
        assert guess(guessing, "ada", "192.0.2.1")
        guessing.attempt("ada", "192.0.2.1")
        guessing.succeeded("ada", "192.0.2.1")
    assert guessing.refused_s("ada", "192.0.2.1") == 0


def test_what_is_counted_is_bounded() -> None:
    guessing = Guessing(Clock())
    for n in range(10_100):
        guessing.attempt(f"user-{n}", f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}")
    assert len(guessing._pairs._by_key) == len(guessing._addresses._by_key) == 10_000
