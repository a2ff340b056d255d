"""Archives old chains of the audit trail: ``fr audit-export``. It changes nothing in the store."""

import os
import sys
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from common.audit.archive import export
from common.errors import SettingsError
from common.runtime.console import write_text
from common.runtime.entry_point import run_command
from common.runtime.lifecycle import Exit
from common.settings.commands import AuditExportSettings
from common.settings.loading import load_settings
from common.settings.private_files import read_private
from common.store.opening import open_existing_store


def read_key(path: Path) -> Ed25519PrivateKey:
    """The key in this file.

    Raises:
        SettingsError: it cannot be read, others may read it, or it holds no Ed25519 key.
    """
    try:
        key = load_pem_private_key(read_private(path, "AUDIT_KEY_FILE").encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        text = str(error)
        reason = text if text.startswith("AUDIT_KEY_FILE") else "not a key made by fr audit-export"
        raise SettingsError(_named(path, reason)) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise SettingsError(_named(path, "the key is not an Ed25519 key"))
    return key


def make_key(path: Path) -> Ed25519PrivateKey:
    """The key in this file, which is created, for this user alone, if it is missing.

    Raises:
        SettingsError: as ``read_key``, or the file cannot be created.
    """
    key = Ed25519PrivateKey.generate()
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        return read_key(path)
    except OSError as error:
        raise SettingsError(_named(path, str(error.strerror))) from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    return key


def _named(path: Path, reason: str) -> str:
    prefix = f"AUDIT_KEY_FILE={str(path)!r}: "
    return reason if reason.startswith(prefix) else prefix + reason


def main() -> int:
    """Write the archive that the settings name."""
    settings = load_settings(AuditExportSettings, "fr audit-export")
    with open_existing_store(settings) as store:
        key = make_key(settings.audit_key_file)  # not for a store that does not exist
        found = export(store, settings.archive, settings.days, key)
    if found is None:
        write_text(
            "no file was written: there is no chain that ended more than "
            f"{settings.days:g} days ago and that another chain names\n"
        )
        return Exit.OK
    write_text(
        f"{settings.archive}: {found.entries:,} entries of {found.chains:,} chains, from "
        f"{found.first} to {found.last}, and {found.tombstones:,} "
        f"{'tombstone' if found.tombstones == 1 else 'tombstones'}\n"
        f"signed with the key {found.public_key}\n"
    )
    return Exit.OK


if __name__ == "__main__":
    sys.exit(run_command("fr audit-export", main))
