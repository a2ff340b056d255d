"""The first sign-in on a machine where nobody has a password yet, as Jupyter has it: an address
with a token, which is in a file of this user alone and works once."""

import hmac
import time
from pathlib import Path

from common.domain.user import Role
from common.errors import SettingsError
from common.settings.hosts import is_loopback
from common.settings.private_files import check_private, make_private
from common.settings.web import WebSettings
from common.store.token_documents import new_token
from common.store.users import Users

FILE = "web-first.token"
USER = "admin"
"""The user whose session it begins."""

VALID_S = 24 * 3600.0
FRAGMENT = "one-time"


def token_file(settings: WebSettings) -> Path:
    """The file that has the token."""
    return settings.data_dir.expanduser() / FILE


def first_address(settings: WebSettings, users: Users, now: float | None = None) -> str | None:
    """The one-time address to print; None if an administrator has a password. The token is in its
    fragment, which browsers keep to themselves, so that it is in no log.

    Raises:
        SettingsError: no administrator has a password, and other machines may reach the API; or
            the token cannot be written.
    """
    if users.count_with(Role.ADMIN, password=True):
        token_file(settings).unlink(missing_ok=True)
        return None
    if not is_loopback(settings.web_host):
        raise SettingsError(
            f"WEB_HOST={settings.web_host!r}: no administrator has a password yet, and other "
            "machines could reach the API: add one with `make users USER_ADD=name USER_ROLES=admin`"
        )
    path = token_file(settings)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if (now or time.time()) - _made_at(path) > VALID_S:
            path.unlink(missing_ok=True)
        make_private(path, new_token() + "\n")
        check_private(path, "DATA_DIR")
        token = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SettingsError(f"DATA_DIR: {str(path)!r}: {reason}") from None
    return f"{address_of(settings)}#{FRAGMENT}={token}"


def address_of(settings: WebSettings) -> str:
    """The address of the page."""
    scheme = "http" if settings.web_tls_cert is None else "https"
    host = f"[{settings.web_host}]" if ":" in settings.web_host else settings.web_host
    return f"{scheme}://{host}:{settings.web_port}/"


def take_token(settings: WebSettings, given: str, now: float | None = None) -> bool:
    """Whether this is the token of the one-time address; then it is one no more."""
    path = token_file(settings)
    if not is_loopback(settings.web_host):
        return False
    try:
        check_private(path, "DATA_DIR")
        if (now or time.time()) - _made_at(path) > VALID_S:
            return False
        token = path.read_text(encoding="ascii").strip()
        if not token or not hmac.compare_digest(token.encode(), given.encode()):
            return False
        path.unlink()  # of several that come at once, one removes it
    except (OSError, ValueError):
        return False
    return True


def _made_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")
