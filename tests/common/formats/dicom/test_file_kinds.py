"""Files are told apart by their preamble."""

from pathlib import Path

import pytest

from common.errors import SourceError
from common.formats.dicom.file_kinds import lacks_preamble


def test_a_file_has_its_preamble_or_lacks_it(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(bytes(128) + b"DICM")
    assert not lacks_preamble(path)
    path.write_bytes(bytes(132))
    assert lacks_preamble(path)
    path.write_bytes(b"")
    with pytest.raises(SourceError, match="the file is empty"):
        lacks_preamble(path)
    with pytest.raises(SourceError, match="cannot be read: No such file"):
        lacks_preamble(tmp_path / "absent")
