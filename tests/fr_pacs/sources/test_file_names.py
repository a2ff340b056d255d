"""Names of files, safe for logs and terminals."""

import os

from fr_pacs.sources.file_names import printable


def test_names_that_would_break_a_log_are_escaped() -> None:
    assert printable("sub-Ä/a.nii") == "sub-Ä/a.nii"
    assert printable("a\nb\x1b[31m.nii") == "a\\nb\\x1b[31m.nii"
    assert printable(os.fsdecode(b"caf\xe9.nii")) == "caf\\xe9.nii"
