"""Creates the units' users in MongoDB: ``fr roles``, ``make roles``.

Run with the MONGODB_URI of a user administrator, it creates a role and a user for each unit, and
writes a file with the unit's own MONGODB_URI that only this user can read. A second run updates the
privileges and keeps the passwords; a unit whose file was removed gets a new password.
"""

import contextlib
import re
import secrets
import sys
from pathlib import Path
from urllib.parse import quote, unquote

from common.commands.certificates import write_private
from common.errors import SettingsError, StoreRefused
from common.runtime.console import write_text
from common.runtime.entry_point import run_unit
from common.runtime.lifecycle import Exit
from common.settings.commands import RoleSettings
from common.settings.loading import load_settings
from common.store.connection import Connection
from common.store.roles import PRIVILEGES, Roles
from common.store.schema import SCHEMA_VERSION
from common.store.schema_check import SchemaCheck

_URI = re.compile(
    r"(?P<scheme>mongodb(\+srv)?://)((?P<user>[^@/]*)@)?(?P<hosts>[^/?]*)/?"
    r"(?P<database>[^?]*)(\?(?P<options>.*))?"
)
_OF_THE_ADMINISTRATOR = ("authsource", "authmechanism", "authmechanismproperties")


def uri_of(admin: str, user: str, password: str, database: str) -> str:
    """The URI of a unit's user: the administrator's URI with another user and password.

    Raises:
        SettingsError: the administrator's URI is not valid.
    """
    found = _URI.fullmatch(admin)
    if found is None:
        raise SettingsError(
            "MONGODB_URI: it must have the form mongodb://user:password@host:port/?options"
        )
    options = [
        option
        for option in re.split("[&;]", found["options"] or "")
        if option and option.partition("=")[0].lower() not in _OF_THE_ADMINISTRATOR
    ]
    options.append(f"authSource={quote(database, safe='')}")
    login = f"{quote(user, safe='')}:{quote(password, safe='')}"
    return f"{found['scheme']}{login}@{found['hosts']}/?{'&'.join(options)}"


def password_in(path: Path) -> str | None:
    """The password in the file of an earlier run; None if there is no file.

    Raises:
        SettingsError: the file cannot be read, or contains no password.
    """
    try:
        uri = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read") from error
    found = _URI.fullmatch(uri)
    password = (found["user"] or "").partition(":")[2] if found else ""
    if not password:
        raise SettingsError(
            f"{path}: contains no URI with a password; remove the file to create a new one"
        )
    return unquote(password)


def make_roles(uri: str, database: str, folder: Path, timeout_s: float) -> dict[str, Path]:
    """Create a user for each unit; returns the files with their URIs, by unit.

    Raises:
        SettingsError: the URI is not valid, or the folder cannot be written.
        StoreError: MongoDB is unreachable, or this user may not administer users.
    """
    connection = Connection(uri, database, timeout_s)
    roles = Roles(connection)
    files = {}
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for unit in PRIVILEGES:
            path = folder / f"{unit}.uri"
            password = password_in(path) or secrets.token_urlsafe(32)
            # The file first: a password that only MongoDB has would be lost.
            unit_uri = uri_of(uri, f"fr-{unit}", password, database)
            write_private(path, f"{unit_uri}\n".encode())
            roles.grant(unit, password)
            files[unit] = path
    except OSError as error:
        raise SettingsError(f"SECRETS={str(folder)!r}: {error.strerror}") from error
    finally:
        connection.close()
    return files


def remarks(migrate_uri: str, database: str, timeout_s: float) -> list[str]:
    """What is left to do after the users were created: a warning if MongoDB runs without access
    control, and to migrate.

    Args:
        migrate_uri: of the user ``fr-migrate``.
    """
    found = []
    if not asks_for_login(anonymous_uri(migrate_uri), database, timeout_s):
        found.append(
            "warning: MongoDB runs without access control, so these users protect nothing: start "
            "mongod with --auth or security.authorization"
        )
    with contextlib.closing(Connection(migrate_uri, database, timeout_s)) as connection:
        version = SchemaCheck(connection).version()
    if version < SCHEMA_VERSION:
        found.append("next: run make migrate APPLY=1 with the MONGODB_URI_FILE of fr-migrate")
    return found


def anonymous_uri(uri: str) -> str:
    """A unit's URI without its login."""
    found = _URI.fullmatch(uri)
    assert found is not None  # noqa: S101 - made by ``uri_of``
    options = [o for o in (found["options"] or "").split("&") if not o.startswith("authSource=")]
    return f"{found['scheme']}{found['hosts']}/?{'&'.join(options)}"


def asks_for_login(uri: str, database: str, timeout_s: float) -> bool:
    """Whether MongoDB refuses to read for who has not logged in."""
    with contextlib.closing(Connection(uri, database, timeout_s)) as connection:
        try:
            SchemaCheck(connection).version()
        except StoreRefused:
            return True
    return False


def main() -> int:
    """Create the users, and print where their URIs are."""
    settings = load_settings(RoleSettings, "fr roles")
    if settings.mongodb_uri is None:
        raise SettingsError(
            "MONGODB_URI is not set: set the URI of a user administrator; the embedded MongoDB "
            "needs no users, as only this user can connect to it"
        )
    files = make_roles(
        settings.mongodb_uri.get_secret_value(),
        settings.mongodb_database,
        settings.secrets,
        settings.mongodb_timeout_s,
    )
    for unit, path in files.items():
        write_text(f"fr-{unit:<9} MONGODB_URI_FILE={path}")
    for remark in remarks(
        files["migrate"].read_text(encoding="utf-8").strip(),
        settings.mongodb_database,
        settings.mongodb_timeout_s,
    ):
        write_text(remark)
    return Exit.OK


if __name__ == "__main__":
    sys.exit(run_unit("fr roles", main))
