"""fr pseudonym: what Fr-PACS makes of an identifier, and nothing of it on the command line."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from common.formats.dicom.pseudonyms import pseudonym
from common.settings.identity_keys import identity_keys
from common.settings.pacs import PacsSettings
from tests.processes import ROOT, environment


def ran(data: Path, given: bytes, *arguments: str, **settings: str) -> Any:
    return subprocess.run(
        [sys.executable, "-m", "fr_pacs.commands.pseudonym", *arguments],
        cwd=ROOT,
        env=environment(DATA_DIR=str(data), **settings),
        input=given,
        capture_output=True,
        check=False,
        timeout=120,
    )


@pytest.fixture
def key(tmp_path: Path) -> bytes:
    settings = PacsSettings(data_dir=tmp_path, pacs_name="mr-1", _env_file=None)  # type: ignore[call-arg]
    return identity_keys(settings).pseudonyms


def test_each_identifier_has_the_pseudonym_that_fr_pacs_makes(tmp_path: Path, key: bytes) -> None:
    given = "N-123\r\nMüller^1  \n\nN-4".encode()
    printed = ran(tmp_path, given, PACS_NAME="mr-1")
    assert printed.returncode == 0
    assert printed.stderr == b""
    expected = [pseudonym(one, key) for one in ("N-123", "Müller^1", "N-4")]
    assert printed.stdout.decode().split() == expected


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (b"", "no identifier"),
        (b"\n \n", "no identifier"),
        (b"\xff\n", "UTF-8"),
        (b"7" * 2000, "bytes"),
    ],
)
@pytest.mark.usefixtures("key")
def test_what_is_no_identifier_is_refused(tmp_path: Path, given: bytes, told: str) -> None:
    refused = ran(tmp_path, given, PACS_NAME="mr-1")
    assert refused.returncode == 2
    assert told in refused.stderr.decode()
    assert refused.stdout == b""


def test_a_fr_pacs_without_a_key_gets_none(tmp_path: Path) -> None:
    refused = ran(tmp_path, b"N-123\n")
    assert refused.returncode == 2
    assert "DATA_DIR" in refused.stderr.decode()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("key")
def test_an_identifier_on_the_command_line_is_refused_and_not_repeated(tmp_path: Path) -> None:
    refused = ran(tmp_path, b"", "N-123", PACS_NAME="mr-1")
    assert refused.returncode == 2
    assert "N-123" not in refused.stderr.decode()
