"""The keys by which a Fr-PACS, or the API for uploads, makes ids and pseudonyms, each in a file of
this user alone.

They are made at the first start. The key of the ids must stay as it is for ever: with another one,
the same image is another scan. The key of the pseudonyms may be replaced; from then on a patient
has another pseudonym.
"""

import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from common.errors import SettingsError
from common.settings.pacs import PacsSettings
from common.settings.private_files import make_private, read_private

PSEUDONYM_KEY = "pseudonym.key"
SCAN_ID_KEY = "scan-id.key"

_KEY = re.compile(r"[0-9a-fA-F]{64}")


class HasPseudonyms(Protocol):
    """Settings that say where the key of a Fr-PACS' pseudonyms is."""

    @property
    def data_dir(self) -> Path:
        """The folder of this machine."""

    @property
    def pacs_name(self) -> str:
        """Its Fr-PACS."""

    @property
    def pseudonym_key_file(self) -> Path | None:
        """Where the key is; None: in the folder of the Fr-PACS."""


KEEP_KEYS = "back them up; with a new scan-id key, every image counts as a new scan"
"""What to do with key files that were made."""


@dataclass(frozen=True, slots=True)
class IdentityKeys:
    """32 bytes each."""

    scan_ids: bytes
    pseudonyms: bytes
    made: tuple[Path, ...] = ()
    """The files that did not exist."""


def identity_keys(settings: PacsSettings) -> IdentityKeys:
    """The keys of this Fr-PACS; made if there are none.

    Raises:
        SettingsError: a file cannot be made or read, holds no key, or others may read it.
    """
    pseudonyms = _pseudonym_key_file(settings)
    return _keys(pseudonyms, settings.scan_id_key_file or pseudonyms.with_name(SCAN_ID_KEY))


def upload_keys(data_dir: Path, source: str) -> IdentityKeys:
    """The keys of a tenant's uploads; made if there are none. Instances of the API on several
    machines need the same ones: copy the files before the second one starts.

    Args:
        data_dir: the folder DATA_DIR.
        source: the name of the tenant's uploads (``common.domain.tenant.uploads_source``).

    Raises:
        SettingsError: as ``identity_keys``.
    """
    folder = data_dir.expanduser() / source
    return _keys(folder / PSEUDONYM_KEY, folder / SCAN_ID_KEY)


def _keys(pseudonyms: Path, scan_ids: Path) -> IdentityKeys:
    if scan_ids == pseudonyms:
        raise SettingsError(
            f"SCAN_ID_KEY_FILE={str(scan_ids)!r}: this is PSEUDONYM_KEY_FILE, whose key may be "
            "replaced: name another file"
        )
    made = tuple(path for path in (pseudonyms, scan_ids) if _made(path))
    return IdentityKeys(
        scan_ids=_key_in(scan_ids, "SCAN_ID_KEY_FILE"),
        pseudonyms=_key_in(pseudonyms, "PSEUDONYM_KEY_FILE"),
        made=made,
    )


def existing_pseudonym_key(settings: HasPseudonyms) -> bytes:
    """The key of the pseudonyms of a Fr-PACS that has one, 32 bytes.

    Raises:
        SettingsError: there is none, or as ``identity_keys``.
    """
    path = _pseudonym_key_file(settings)
    try:
        exists = path.exists()
    except OSError as error:
        raise SettingsError(f"{str(path)!r}: {error.strerror}") from error
    if not exists:
        raise SettingsError(
            f"{str(path)!r}: there is no pseudonym key; set DATA_DIR and PACS_NAME to the values "
            "that this Fr-PACS uses, or PSEUDONYM_KEY_FILE to the file; Fr-PACS creates the key "
            "when it first reads images"
        )
    return _key_in(path, "PSEUDONYM_KEY_FILE")


def _pseudonym_key_file(settings: HasPseudonyms) -> Path:
    folder = settings.data_dir.expanduser() / settings.pacs_name
    return settings.pseudonym_key_file or folder / PSEUDONYM_KEY


def _made(path: Path) -> bool:
    try:
        if path.exists():
            return False
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        make_private(path, secrets.token_hex(32) + "\n")
    except OSError as error:
        raise SettingsError(
            f"{str(path)!r}: {error.strerror}: this unit keeps the keys of ids and pseudonyms in "
            "files; name files that it can write (SCAN_ID_KEY_FILE, PSEUDONYM_KEY_FILE)"
        ) from error
    return True


def _key_in(path: Path, setting: str) -> bytes:
    try:
        text = read_private(path, setting)
    except ValueError as error:
        raise SettingsError(str(error)) from None
    if not _KEY.fullmatch(text):
        raise SettingsError(
            f"{setting}={str(path)!r}: not a key of 64 hexadecimal digits: restore the file from "
            "your backup"
        )
    return bytes.fromhex(text)
