"""Names of files, safe for logs and terminals."""

import os
import re
from pathlib import Path

from common.scan_files.file_names import FileNames, printable, uncut, without_detours


def test_a_folder_is_the_same_however_it_is_spelled(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "study"
    folder.mkdir(parents=True)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "link").symlink_to(folder)
    assert without_detours(tmp_path / "b" / ".." / "a" / "study") == folder
    assert without_detours(tmp_path / "b" / "link") == tmp_path / "b" / "link"
    assert without_detours(tmp_path / "b" / "link" / ".." / "study") == folder.resolve()
    assert not without_detours(tmp_path / "none" / ".." / "gone").exists()


def test_the_latest_names_are_kept() -> None:
    names = FileNames(hashed=True, kept=2)
    labels = [names.label(name) for name in ("a", "b", "a", "c")]
    assert [names.reveal(label) for label in labels] == ["a", labels[1], "a", "c"]
    assert [names.whole(label) for label in labels] == ["a", labels[1], "a", "c"]


def test_names_that_would_break_a_log_are_escaped() -> None:
    assert printable("sub-Ä/a.nii") == "sub-Ä/a.nii"
    assert printable("a\nb\x1b[31m.nii") == "a\\nb\\x1b[31m.nii"
    assert printable(os.fsdecode(b"caf\xe9.nii")) == "caf\\xe9.nii"


def test_of_a_long_path_the_end_is_shown() -> None:
    shown = printable("a/" * 300_000 + "end.nii")
    assert len(shown) == 255
    assert shown.endswith("/end.nii")
    assert len(printable("\x1b" * 300_000)) <= 255


def test_without_hashes_the_label_is_the_name() -> None:
    names = FileNames()
    assert names.label("mueller/a\x1b.nii") == "mueller/a\\x1b.nii"
    assert names.source(Path("mueller")) == "mueller"
    assert names.reveal("file-0123456789ab") == "file-0123456789ab"


def test_a_hash_hides_the_name_and_can_be_resolved_here_alone() -> None:
    names = FileNames(hashed=True)
    label = names.label("mueller/a.nii")
    assert re.fullmatch("file-[0-9a-f]{12}", label)
    assert names.label("mueller/a.nii") == label
    assert names.label("mueller/b.nii") != label
    assert names.reveal(f"{label} [volume 2] differs") == "mueller/a.nii [volume 2] differs"
    assert names.source(Path("mueller")) == "SOURCE"
    other = FileNames(hashed=True)
    assert other.label("mueller/a.nii") != label
    assert other.reveal(label) == label


def test_a_name_that_is_not_unicode_has_a_hash() -> None:
    names = FileNames(hashed=True)
    assert names.reveal(names.label(os.fsdecode(b"caf\xe9.nii"))) == "caf\\xe9.nii"


def test_no_two_names_are_shown_alike() -> None:
    backslash = chr(92)
    odd = ["a\nb", f"a{backslash}nb", f"a{backslash}{backslash}nb", f"a{backslash}\nb"]
    odd += [os.fsdecode(b"x\xff"), f"x{backslash}xff", f"x{backslash}{backslash}xff"]
    odd += [f"{folder}/{'long/' * 60}a.nii" for folder in ("one", "two")]
    odd += ["\n" * 100 + end for end in "ab"] + [begin + "\n" * 100 for begin in "ab"]
    odd += [begin + "\n" * 70_000 for begin in "ab"]
    for show in (printable, uncut, FileNames().label):
        assert len({show(name) for name in odd}) == len(odd)
    names = FileNames()
    assert len({names.whole(names.label(name)) for name in odd}) == len(odd)


def test_a_label_of_the_ledger_is_concealed_as_it_is() -> None:
    label = printable("a\n.nii")
    assert FileNames().conceal(label) == label
    names = FileNames(hashed=True)
    assert names.reveal(names.conceal(label)) == label
