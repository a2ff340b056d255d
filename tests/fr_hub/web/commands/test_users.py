"""``fr users``: the users of the API from the command line."""

import getpass
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from common.domain.user import Role
from common.runtime.entry_point import run_unit
from common.runtime.lifecycle import Exit
from common.store.db_manager import DBManager
from fr_hub.web.commands import users
from fr_hub.web.passwords import Passwords
from tests.fr_hub.web.conftest import FAST, NORTH
from tests.processes import ROOT, environment

PASSWORD = "correct horse battery"  # noqa: S105 - of nothing

Run = Callable[..., int]


@pytest.fixture
def run(store: DBManager, mongodb_uri: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Runs the command here with these settings, and the password in a file."""
    password = tmp_path / "password"
    password.write_text(PASSWORD)
    password.chmod(0o600)
    monkeypatch.setattr(users, "Passwords", lambda: Passwords(FAST))
    monkeypatch.setattr(sys, "argv", ["users"])
    monkeypatch.chdir(tmp_path)

    def call(**given: str) -> int:
        settings = {
            "MONGODB_URI": mongodb_uri,
            "MONGODB_DATABASE": store.connection.name,
            "WEB_TENANTS": f"{NORTH}=mr-1",
            "USER_PASSWORD_FILE": str(password),
            **given,
        }
        with monkeypatch.context() as patch:
            for name, value in settings.items():
                patch.setenv(name, value)
            return run_unit("fr users", users.main)

    return call


def test_a_user_is_added_listed_and_removed(
    run: Run, store: DBManager, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(USER_ADD="ada", USER_ROLES="reader, Admin") == Exit.OK
    assert run(USER_ADD="eve", USER_ROLES="reader", USER_TENANT=NORTH) == Exit.OK
    added = store.users.get("ada")
    assert added is not None
    assert added.roles == {Role.READER, Role.ADMIN}
    assert Passwords(FAST)._check(PASSWORD, added.password)
    capsys.readouterr()
    assert run() == Exit.OK
    assert capsys.readouterr().out == "ada  default  admin,reader\neve  north  reader\n2 users\n"
    assert run(USER_TENANT=NORTH) == Exit.OK
    assert capsys.readouterr().out == "eve  north  reader\n1 user\n"
    assert run(USER_REMOVE="ada") == Exit.OK
    assert store.users.get("ada") is None


def test_a_new_password_ends_the_sessions(run: Run, store: DBManager) -> None:
    store.users.add("ada", "default", [Role.READER], "old")
    before = store.users.get("ada")
    assert before is not None
    store.sessions.begin(before, timedelta(hours=1))
    assert run(USER_RESET="ada") == Exit.OK
    changed = store.users.get("ada")
    assert changed is not None
    assert changed.password != "old"  # noqa: S105 - of nothing
    assert changed.roles == {Role.READER}
    assert store.connection.sessions.count_documents({}) == 0


def test_each_change_is_in_the_trail(run: Run, store: DBManager) -> None:
    run(USER_ADD="ada", USER_ROLES="reader")
    run(USER_REMOVE="ada")
    events = [one for entry in store.audit_log.all_entries() for one in entry["events"]]
    found = [(one["kind"], one["account"]) for one in events if "account" in one]
    assert sorted(found) == [("change", "ada"), ("delete", "ada")]
    assert PASSWORD not in str(events)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"USER_ADD": "ada"}, "USER_ROLES"),
        ({"USER_ADD": "ada", "USER_ROLES": "king"}, "USER_ROLES"),
        ({"USER_ADD": "x-admin-token", "USER_ROLES": "reader"}, "reserved"),
        ({"USER_ADD": "ada", "USER_ROLES": "reader", "USER_TENANT": "x"}, "USER_TENANT"),
        ({"USER_ADD": "known", "USER_ROLES": "reader"}, "USER_RESET=known"),
        ({"USER_RESET": "nobody"}, "no such user"),
        ({"USER_REMOVE": "nobody"}, "no such user"),
        ({"USER_REMOVE": "known", "USER_RESET": "known"}, "only one of USER_ADD"),
        ({"USER_RESET": "known", "USER_PASSWORD_FILE": "/nowhere"}, "USER_PASSWORD_FILE"),
    ],
)
def test_what_cannot_be_is_refused(
    run: Run,
    store: DBManager,
    given: dict[str, str],
    told: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    store.users.add("known", "default", [Role.READER])
    assert run(**given) == Exit.USAGE
    assert told in capsys.readouterr().err
    assert [one.name for one in store.users.of_tenant("default")] == ["known"]


def test_the_prompt_asks_twice(run: Run, store: DBManager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    store.users.add("ada", "default", [Role.READER])
    for typed, code in (
        ([PASSWORD, PASSWORD], Exit.OK),
        ([PASSWORD, "x"], Exit.USAGE),
        (["short", "short"], Exit.USAGE),
    ):
        monkeypatch.setattr(getpass, "getpass", partial(_next, iter(typed)))
        assert run(USER_RESET="ada", USER_PASSWORD_FILE="") == code


@pytest.mark.parametrize("ended_by", [EOFError, KeyboardInterrupt])
def test_who_gives_no_password_changes_nothing(
    run: Run,
    store: DBManager,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    ended_by: type[BaseException],
) -> None:
    def ended(_: str) -> str:
        raise ended_by

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(getpass, "getpass", ended)
    assert run(USER_ADD="eve", USER_ROLES="reader", USER_PASSWORD_FILE="") == Exit.USAGE
    assert "no password was given" in capsys.readouterr().err
    assert store.users.get("eve", "default") is None


def _next(typed: Iterator[str], _: str) -> str:
    return next(typed)


def test_without_a_terminal_a_file_is_needed(store: DBManager, mongodb_uri: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "fr_hub.web.commands.users"],
        cwd=ROOT,
        env=environment(
            MONGODB_URI=mongodb_uri,
            MONGODB_DATABASE=store.connection.name,
            USER_ADD="ada",
            USER_ROLES="reader",
        ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ran.returncode == Exit.USAGE
    assert "USER_PASSWORD_FILE" in ran.stderr
