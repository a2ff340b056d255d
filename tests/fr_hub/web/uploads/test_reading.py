"""Uploaded files are read as Fr-PACS reads them; what is hostile costs its own file alone."""

import contextlib
import gzip
import io
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.errors import StoreUnavailable
from common.formats.reader import Reader
from common.settings.identity_keys import IdentityKeys
from fr_hub.web.context import WebContext
from fr_hub.web.uploads.intake import Full
from fr_hub.web.uploads.reading import UploadReader
from fr_hub.web.uploads.results import FileResult
from fr_hub.web.uploads.storing import ScanWriter
from tests.fr_pacs.sources.image_folders import saver


@pytest.fixture
def reader() -> Iterator[UploadReader]:
    files = Reader(64 << 20, 1)
    keys = IdentityKeys(b"i" * 32, b"p" * 32)
    with contextlib.closing(files):
        yield UploadReader("web", keys, files, 64 << 20, lambda: None, lambda: None)


def read(reader: UploadReader, context: WebContext, root: Path) -> dict[str, FileResult]:
    paths = [path for path in sorted(root.rglob("*")) if path.is_file()]
    names = {path.relative_to(root).as_posix(): path.name for path in paths}
    writer = ScanWriter(context.store, "jane")
    return {one.name: one for one in reader.store(root, names, writer, context.audit)}


def test_hostile_files_are_refused_and_the_others_stored(
    reader: UploadReader, context: WebContext, tmp_path: Path
) -> None:
    folder = tmp_path / "up"
    good = saver(folder)("good.nii")
    header = bytearray(good.read_bytes()[:352])
    struct.pack_into("<3h", header, 42, 1024, 1024, 150)  # its dimensions
    (folder / "bomb.nii.gz").write_bytes(gzip.compress(header + bytes(300 << 20)))
    (folder / "cut.nii").write_bytes(good.read_bytes()[:380])
    bombs = io.BytesIO()
    with zipfile.ZipFile(bombs, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("../../out.nii", good.read_bytes())
        file.writestr("huge.nii", bytes(300 << 20))
    (folder / "bombs.zip").write_bytes(bombs.getvalue())
    found = read(reader, context, folder)
    assert found["good.nii"].outcome == "stored"
    assert found["cut.nii"].outcome == "refused"
    assert not (tmp_path / "out.nii").exists()
    assert found["bomb.nii.gz"].outcome == "refused"
    assert {key for one in found.values() for key in one.scans} == set(found["good.nii"].scans)


def test_nothing_is_told_while_the_trail_is_not_durable(
    reader: UploadReader, context: WebContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saver(tmp_path / "up")("a.nii")

    def failing(*_: object) -> None:
        raise StoreUnavailable("the audit trail cannot be written")

    with monkeypatch.context() as patched:
        patched.setattr(type(context.audit), "wait_durable", failing)
        with pytest.raises(StoreUnavailable):
            read(reader, context, tmp_path / "up")
    assert read(reader, context, tmp_path / "up")["a.nii"].outcome == "known"


def test_a_backlog_that_fills_up_meanwhile_stops_it(
    reader: UploadReader, context: WebContext, tmp_path: Path
) -> None:
    saver(tmp_path / "up")("a.nii")

    def full() -> None:
        raise Full("full")

    busy = UploadReader("web", reader.keys, reader.reader, reader.max_bytes, full, lambda: None)
    with pytest.raises(Full):
        read(busy, context, tmp_path / "up")
