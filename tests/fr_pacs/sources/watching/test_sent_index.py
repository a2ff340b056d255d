"""The index of watched files: private, durable, and no loss if it is lost."""

import os
import sqlite3
import stat
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from common.errors import SettingsError
from common.runtime.logger import get_log
from fr_pacs.sources.base import Origin
from fr_pacs.sources.watching.sent_index import (
    DAMAGED,
    IndexedFile,
    Outcome,
    SentIndex,
    SeriesPart,
    worst,
)

STRANGE = os.fsdecode(b"M\xfcller.nii")


def files(root: Path) -> list[IndexedFile]:
    """One of each outcome."""
    return [
        IndexedFile(root / f"{outcome}.nii", 10, 20, outcome, "series", ("a", "b"))
        for outcome in Outcome
    ]


def test_it_outlives_its_process_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "private" / "index"
    index = SentIndex(path, tmp_path)
    strange = IndexedFile(tmp_path / STRANGE, 10, 20, Outcome.SENT, "series", ("a", "b"))
    index.put([strange])
    index.add_scans([("a", "label", Origin("file", "volume 1", "folder", 3))])
    assert {stat.S_IMODE(one.stat().st_mode) for one in path.parent.iterdir()} == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    index.close()
    path.chmod(0o644)
    index = SentIndex(path, tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert index.get(tmp_path / STRANGE) == strange
    assert index.of_series("series") == [strange]
    assert index.labels_of("a") == [("label", Origin("file", "volume 1", "folder", 3))]
    assert index.labels_of("b") == []
    index.forget([tmp_path / STRANGE])
    assert index.get(tmp_path / STRANGE) is None
    index.close()


def test_folders_are_apart(tmp_path: Path) -> None:
    path = tmp_path / "index"
    one = SentIndex(path, tmp_path / "one")
    one.put(files(tmp_path / "one"))
    one.close()
    two = SentIndex(path, tmp_path / "two")
    assert two.counts() == {}
    assert two.all_paths() == set()
    assert two.of_series("series") == two.of_series("") == []
    two.close()


@pytest.mark.parametrize(
    ("made_by", "key", "left"),
    [
        ("1", "k", {Outcome.SENT, Outcome.SKIPPED, Outcome.REFUSED}),
        ("2", "k", {Outcome.SENT, Outcome.REFUSED}),
        ("1", "l", set()),
    ],
)
def test_what_another_run_may_judge_otherwise_is_forgotten(
    tmp_path: Path, made_by: str, key: str, left: set[Outcome]
) -> None:
    index = SentIndex(tmp_path / "index", tmp_path, "1", "k")
    index.put(files(tmp_path))
    index.close()
    index = SentIndex(tmp_path / "index", tmp_path, made_by, key)
    assert index.counts() == dict.fromkeys(left, 1)
    assert len(index.all_paths()) == len(left)
    index.close()


def test_a_place_has_one_scan_and_a_file_only_those_that_it_holds(tmp_path: Path) -> None:
    index = SentIndex(tmp_path / "index", tmp_path, key_digest="k")
    folder = str(tmp_path)

    def places() -> list[list[str]]:
        found = [[origin.file for _, origin in index.labels_of(one)] for one in ("a", "b", "c")]
        return [sorted(files) for files in found]

    def put(name: str, outcome: Outcome, *ids: str) -> None:
        index.put([IndexedFile(tmp_path / name, 1, 1, outcome, scan_ids=ids)])

    for scan_id, volume in (("a", "series of 2 slices"), ("b", "series of 3 slices")):
        index.add_scans([(scan_id, "1", Origin("1.dcm", volume, folder))])
    for scan_id, file in (("a", "x.nii"), ("b", "z.zip/1"), ("c", "z.zip/2"), ("c", "z.zip0")):
        index.add_scans([(scan_id, file, Origin(file, "", folder))])
    index.add_scans([("a", "x.nii", Origin("x.nii", "", "/elsewhere"))])
    assert places() == [["x.nii"], ["1.dcm", "z.zip/1"], ["z.zip/2", "z.zip0"]]
    put("x.nii", Outcome.FAILED)
    put("z.zip", Outcome.SENT, "b")
    assert places() == [["x.nii"], ["1.dcm", "z.zip/1"], ["z.zip0"]]
    index.forget([tmp_path / "z.zip"])
    assert places() == [["x.nii"], ["1.dcm"], ["z.zip0"]]
    index.close()
    index = SentIndex(tmp_path / "index", tmp_path, key_digest="another")
    assert places() == [[], [], []]
    index.close()


def test_the_files_of_fuller_series_are_found_until_they_are_forgotten(tmp_path: Path) -> None:
    index = SentIndex(tmp_path / "index", tmp_path)
    parts = {
        "1": [SeriesPart("grid", "a", 2)],
        "2": [SeriesPart("grid", "a", 2), SeriesPart("grid", "b", 3)],
        "3": [SeriesPart("other", "c", 99)],
    }
    index.put(
        [
            IndexedFile(tmp_path / name, 1, 1, Outcome.SENT, parts=tuple(of))
            for name, of in parts.items()
        ]
    )

    def fuller(slices: int) -> dict[str, list[str]]:
        found = index.fuller_series("grid", slices)
        return {series: [one.path.name for one in files] for series, files in found.items()}

    assert fuller(2) == {"a": ["1", "2"], "b": ["2"]}
    assert fuller(3) == {"a": ["1", "2"]}
    assert fuller(4) == {}
    index.put([IndexedFile(tmp_path / "2", 2, 2, Outcome.FAILED, parts=(parts["2"][1],))])
    assert fuller(1) == {"a": ["1"], "b": ["2"]}
    index.close()
    index = SentIndex(tmp_path / "index", tmp_path)  # which forgets what failed
    assert fuller(1) == {"a": ["1"]}
    index.forget([tmp_path / "1"])
    assert fuller(0) == {}
    index.close()


@pytest.mark.parametrize("damage", ["no database", "cut", "another release"])
def test_a_damaged_index_is_made_anew(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "index"
    index = SentIndex(path, tmp_path)
    index.put([IndexedFile(tmp_path / f"{n}.nii", n, n, Outcome.SENT) for n in range(999)])
    index.close()
    if damage == "another release":
        other = sqlite3.connect(path)
        other.execute("PRAGMA user_version = 99")
        other.close()
    else:
        path.write_bytes(b"x" * 9999 if damage == "no database" else path.read_bytes()[:5000])
    index = SentIndex(path, tmp_path)
    assert index.was_damaged
    assert index.counts() == {}
    index.put(files(tmp_path))
    assert len(index.all_paths()) == len(Outcome)
    index.close()


def break_pages_with(path: Path, text: bytes) -> None:
    """Damage the pages of a closed index that hold this text."""
    content = bytearray(path.read_bytes())
    pages = [at for at in range(4096, len(content), 4096) if text in content[at : at + 4096]]
    assert pages
    for at in pages:
        content[at : at + 64] = b"\xff" * 64
    path.write_bytes(content)


def filled(tmp_path: Path) -> Path:
    """An index, closed, of many files and scans."""
    path = tmp_path / "index"
    index = SentIndex(path, tmp_path)
    numbers = range(999)
    index.put([IndexedFile(tmp_path / f"file-{n}.nii", n, n, Outcome.SENT) for n in numbers])
    index.add_scans((f"{n}", f"label-{n}", Origin(f"{n}", "", "folder")) for n in numbers)
    index.close()
    return path


def test_a_damage_that_its_start_finds_is_no_reason_not_to_start(tmp_path: Path) -> None:
    path = filled(tmp_path)
    break_pages_with(path, b"file-500.nii")
    index = SentIndex(path, tmp_path)
    assert index.was_damaged
    assert index.counts() == {}
    index.close()


@pytest.mark.parametrize("use", ["read", "write"])
def test_a_damage_that_is_found_later_fails_nothing(tmp_path: Path, use: str) -> None:
    path = filled(tmp_path)
    break_pages_with(path, b"label-500")
    with capture_logs() as lines:
        index = SentIndex(path, tmp_path, log=get_log())
        if use == "read":
            assert index.labels_of("500") == []
        else:
            index.add_scans([("500", "label", Origin("500", "", "folder"))])
        assert index.counts() == {}
        index.put(files(tmp_path))
        assert len(index.all_paths()) == len(Outcome)
    assert [line["event"] for line in lines] == [DAMAGED]
    index.close()
    with pytest.raises(sqlite3.ProgrammingError):
        index.counts()


def test_two_processes_cannot_have_it(tmp_path: Path) -> None:
    index = SentIndex(tmp_path / "index", tmp_path)
    with pytest.raises(SettingsError, match="another Fr-PACS of this PACS_NAME"):
        SentIndex(tmp_path / "index", tmp_path)
    index.close()


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="where WATCH keeps its index"):
        SentIndex(tmp_path / "file" / "index", tmp_path)


def test_a_full_disk_is_told_once_and_fails_nothing(tmp_path: Path) -> None:
    index = SentIndex(tmp_path / "index", tmp_path, log=get_log())
    index._database.execute("PRAGMA max_page_count = 1")
    many = [IndexedFile(tmp_path / f"{n}.nii", n, n, Outcome.SENT) for n in range(999)]
    with capture_logs() as lines:
        index.put(many)
        index.put(many)
    assert [line["event"] for line in lines] == ["the index of sent files cannot be written"]
    assert index.counts() == {}
    index.close()


def test_the_worst_outcome_counts() -> None:
    assert worst([Outcome.SENT, Outcome.FAILED, Outcome.SKIPPED]) is Outcome.FAILED
    assert worst([Outcome.SENT, Outcome.SENT]) is Outcome.SENT
    assert worst([]) is Outcome.SKIPPED
