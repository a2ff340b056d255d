"""``fr audit-export``: the file, the key, and what it tells."""

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from common.audit.archive import Archive
from common.commands.audit_export import make_key, read_key
from common.domain.audit_checkpoint import public_hex
from common.errors import SettingsError
from common.store.db_manager import DBManager
from tests.common.audit.trail import archivable, entries

ROOT = Path(__file__).parents[3]


def run_export(store: DBManager, folder: Path, **more: str) -> Any:
    return subprocess.run(
        [sys.executable, "-m", "common.commands.audit_export"],
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "MONGODB_URI": store.connection.uri,
            "MONGODB_DATABASE": store.connection.name,
            **more,
        },
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.long
def test_it_writes_a_signed_file_and_changes_nothing(store: DBManager, tmp_path: Path) -> None:
    archivable(store)
    before = entries(store)
    ran = run_export(store, tmp_path, FILE="a.jsonl", DAYS="1")
    assert (ran.returncode, "no file was written" in ran.stdout) == (0, True)
    ran = run_export(store, tmp_path, FILE="a.jsonl", DAYS="0")
    assert (ran.returncode, ran.stderr) == (0, "")
    key = tmp_path / ".secrets" / "audit.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    checkpoint = Archive(tmp_path / "a.jsonl", "FILE").checkpoint
    assert checkpoint.public_key == public_hex(read_key(key))
    assert f"signed with the key {checkpoint.public_key}" in ran.stdout
    assert f"{checkpoint.entries} entries of 1 chains" in ran.stdout
    assert entries(store) == before
    ran = run_export(store, tmp_path, FILE="a.jsonl", DAYS="0")
    assert (ran.returncode, "the file exists" in ran.stderr) == (2, True)
    ran = run_export(store, tmp_path)
    assert (ran.returncode, "FILE: name the file" in ran.stderr) == (2, True)


def test_a_key_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "audit.key"
    assert public_hex(make_key(path)) == public_hex(make_key(path)) == public_hex(read_key(path))
    with pytest.raises(SettingsError, match="AUDIT_KEY_FILE="):
        make_key(path / "below")


def test_a_file_that_is_no_private_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "audit.key"
    with pytest.raises(SettingsError, match="No such file"):
        read_key(path)
    make_key(path)
    path.chmod(0o644)
    with pytest.raises(SettingsError, match="chmod 600"):
        read_key(path)
    path.chmod(0o600)
    path.write_text("no key")
    with pytest.raises(SettingsError, match="not a key made by fr audit-export"):
        read_key(path)
    other = ec.generate_private_key(ec.SECP256R1())
    path.write_bytes(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(SettingsError, match="not an Ed25519 key"):
        make_key(path)
