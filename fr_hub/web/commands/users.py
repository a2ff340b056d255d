"""``fr users``: lists the users of the API, adds one, sets a password, removes one.

The password comes from a prompt, or from a file that only this user can read. Running instances of
the API know of each change at once.
"""

import getpass
import sys

from common.audit.recorded_command import user
from common.audit.writer import AuditWriter
from common.domain.audit_events import Kind
from common.domain.tenant import tenants_of
from common.errors import SettingsError, StoreUnavailable
from common.runtime.console import write_text
from common.runtime.entry_point import run_unit
from common.runtime.lifecycle import Exit
from common.runtime.logger import command_log
from common.settings.loading import load_settings
from common.settings.private_files import read_private
from common.settings.users import UsersSettings
from common.store.db_manager import DBManager
from common.store.opening import open_existing_store
from fr_hub.web.passwords import LONGEST, SHORTEST, Passwords

_PAGE = 500


def password_of(settings: UsersSettings) -> str:
    """The password in USER_PASSWORD_FILE, or from the prompt.

    Raises:
        SettingsError: there is none, it is too short or too long, or it was typed differently.
    """
    path = settings.user_password_file
    if path is not None:
        try:
            password = read_private(path, "USER_PASSWORD_FILE")
        except ValueError as error:
            raise SettingsError(str(error)) from None
    elif not sys.stdin.isatty():
        raise SettingsError(
            "USER_PASSWORD_FILE: there is no terminal to ask for the password: name a file that "
            "contains it"
        )
    else:
        password = _asked_for()
    if not SHORTEST <= len(password) <= LONGEST:
        raise SettingsError(
            f"the password has {len(password)} characters: it needs {SHORTEST} to {LONGEST}"
        )
    return password


def _asked_for() -> str:
    try:
        password = getpass.getpass(f"Password ({SHORTEST} to {LONGEST} characters): ")
        is_allowed = SHORTEST <= len(password) <= LONGEST  # if not, the caller says so
        if is_allowed and getpass.getpass("Repeat the password: ") != password:
            raise SettingsError("the two passwords differ: run the command again")
    except (EOFError, KeyboardInterrupt):
        raise SettingsError("no password was given, so nothing was changed") from None
    return password


def change(store: DBManager, settings: UsersSettings, audit: AuditWriter) -> str:
    """Do what the settings ask for, once the audit trail has it; returns what was done.

    Raises:
        SettingsError: there is such a user already, or there is none.
        StoreUnavailable: the audit trail cannot be written.
    """
    users, passwords = store.users, Passwords()

    def record(kind: Kind, name: str, **facts: str) -> None:
        audit.note(kind, outcome="done", by=user(), account=name, **facts)
        audit.wait_durable()

    if (name := settings.user_add) is not None:
        roles = ",".join(sorted(settings.user_roles))
        if not roles:
            raise SettingsError("USER_ROLES: name the roles of the user, such as reader or admin")
        if users.get(name) is not None:
            raise SettingsError(
                f"USER_ADD={name!r}: a user with this name already exists; USER_RESET={name} sets "
                "a new password"
            )
        hashed = passwords.hash_now(password_of(settings))
        record(Kind.CHANGE, name, tenant=settings.user_tenant, roles=roles)
        users.add(name, settings.user_tenant, settings.user_roles, hashed)
        return f"{name}: added to the tenant {settings.user_tenant!r} as {roles}"
    name = settings.user_reset or settings.user_remove or ""
    setting = "USER_RESET" if settings.user_reset else "USER_REMOVE"
    known = users.get(name)
    if known is None:
        raise SettingsError(f"{setting}={name!r}: there is no such user; make users lists them")
    if settings.user_reset:
        hashed = passwords.hash_now(password_of(settings))
        record(Kind.CHANGE, name, tenant=known.tenant, password="changed")  # noqa: S106
        users.change(name, roles=settings.user_roles or None, password=hashed)
        store.sessions.end_of(name)
        return f"{name}: has a new password; the sessions have ended"
    record(Kind.DELETE, name, tenant=known.tenant)
    users.remove(name)
    return f"{name}: removed, with all tokens and sessions"


def show(store: DBManager, settings: UsersSettings) -> None:
    """List the users of all tenants, or of the one that the settings name."""
    named = "user_tenant" in settings.model_fields_set
    tenants = [settings.user_tenant] if named else sorted(tenants_of(settings.web_tenants))
    count = 0
    for tenant in tenants:
        after = ""
        while page := store.users.of_tenant(tenant, after, _PAGE):
            for one in page:
                about = "" if one.password else ", no password"
                write_text(f"{one.name}  {tenant}  {','.join(sorted(one.roles))}{about}")
            count, after = count + len(page), page[-1].name
    write_text(f"{count} {'user' if count == 1 else 'users'}")


def main() -> int:
    """List the users, or change them."""
    settings = load_settings(UsersSettings, "fr users")
    asked = [settings.user_add, settings.user_reset, settings.user_remove]
    if len(list(filter(None, asked))) > 1:
        raise SettingsError("set only one of USER_ADD, USER_RESET and USER_REMOVE")
    with open_existing_store(settings) as store:
        if not any(asked):
            show(store, settings)
            return Exit.OK
        audit = AuditWriter(
            store.audit_log,
            "users",
            command_log(),
            durable_s=settings.mongodb_timeout_s,
            by=user(),
        )
        try:
            done = change(store, settings, audit)
        finally:
            written = audit.close(settings.mongodb_timeout_s)
        if not written:
            raise StoreUnavailable("the audit trail could not be written")
        write_text(done)
    return Exit.OK


if __name__ == "__main__":
    sys.exit(run_unit("fr users", main))
