"""What is sent of a watched folder, and when: complete files and series, each once, never half."""

import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.errors import SourceError
from common.scan_files.file_discovery import LEADS_OUT
from common.scan_files.image_files import Found
from fr_pacs.sources.base import LoadedScan
from fr_pacs.sources.watching import collector
from fr_pacs.sources.watching.arrivals import Arrivals
from fr_pacs.sources.watching.sent_index import Outcome
from tests.common.formats.archive_files import pack
from tests.common.formats.dicom.dicom_files import Write, slices_of
from tests.common.formats.ecg.wfdb_files import write_record
from tests.fr_pacs.sources.image_folders import Save
from tests.fr_pacs.sources.watching.watched import (
    PATIENCE_S,
    QUIET_S,
    Watch,
    Watched,
    written_anew,
)


def sent(told: dict[str, LoadedScan | str]) -> list[str]:
    """The labels of what can be sent."""
    return [label for label, loaded in told.items() if isinstance(loaded, LoadedScan)]


# --- files ---------------------------------------------------------------------------------------


def test_what_is_there_at_the_start_is_sent_once(watch: Watch, save: Save) -> None:
    save("a.nii")
    save("deep/b.nii.gz")
    watched = watch()
    assert watched.settled() == ["a.nii", "deep/b.nii.gz"]
    assert sent(watched.load()) == ["a.nii", "deep/b.nii.gz"]
    watched.collector.rescan(watched.now)
    assert watched.settled(watched.root / "a.nii") == []


def test_a_growing_file_is_sent_when_it_has_stopped_growing(watch: Watch, save: Save) -> None:
    whole = save("a.nii", np.arange(4096, dtype=np.int16).reshape(16, 16, 16))
    content = whole.read_bytes()
    whole.unlink()
    watched = watch()
    path = watched.root / "b.nii"
    for size in (1, 400, 3000, 5000, len(content)):
        path.write_bytes(content[:size])
        assert watched.after(QUIET_S - 2, path) == []
    assert watched.settled() == ["b.nii"]
    loaded = watched.load()["b.nii"]
    assert isinstance(loaded, LoadedScan)
    assert bytes(loaded.voxels) == content[-2 * 4096 :]


def test_a_file_that_is_open_for_writing_is_never_complete(watch: Watch, save: Save) -> None:
    """As a copy whose network is interrupted; its size may be the final one."""
    content = save("a.nii").read_bytes()
    watched = watch()
    path = watched.root / "b.nii"
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        assert "b.nii" not in watched.settled(path)
        assert watched.after(10 * PATIENCE_S) == []
    assert watched.settled(path) == ["b.nii"]


def test_a_rename_into_place_is_seen(watch: Watch, save: Save, root: Path) -> None:
    content = save("a.nii").read_bytes()
    watched = watch()
    watched.settled()
    hidden = root / ".b.nii.Xy12"
    hidden.write_bytes(content)
    assert watched.settled(hidden) == []
    hidden.rename(root / "b.nii")
    assert watched.settled(hidden, root / "b.nii") == ["b.nii"]
    outside = root.parent / "outside"
    (root / "b.nii").rename(root.parent / "c.nii")
    outside.mkdir()
    (root.parent / "c.nii").rename(outside / "c.nii")
    outside.rename(root / "study")
    assert watched.settled(root / "b.nii", root / "study") == ["study/c.nii"]


def test_a_copy_under_way_is_waited_for_by_its_name(watch: Watch, save: Save, root: Path) -> None:
    path = save("a.nii").rename(root / "a.nii.part")
    watched = watch()
    assert watched.settled(path) == []
    assert watched.after(PATIENCE_S) == ["a.nii.part"]


def test_what_is_removed_before_it_is_complete_is_not_sent(
    watch: Watch, save: Save, write: Write, root: Path
) -> None:
    watched = watch()
    save("deep/a.nii")
    write(1, "deep/1.dcm")
    assert watched.after(2, root / "deep") == []
    assert watched.after(2) == []
    for path in (root / "deep").iterdir():
        path.unlink()
    (root / "deep").rmdir()
    assert watched.settled(root / "deep") == []
    assert watched.after(10 * PATIENCE_S) == []
    assert len(watched.collector._arrivals) == 0


def test_many_removed_files_cost_one_look_at_what_waits(
    watch: Watch, save: Save, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = watch()
    watched.after(0, save("a.nii"), save("deep/b.nii", np.ones((2, 2, 2), np.int16)))
    looks: list[Path] = []
    paths = Arrivals.paths

    def counted(arrivals: Arrivals) -> list[Path]:
        looks.append(root)
        return paths(arrivals)

    monkeypatch.setattr(Arrivals, "paths", counted)
    shutil.rmtree(root / "deep")
    gone = [root / "deep", *(root / f"{n}.nii" for n in range(99))]
    assert watched.settled(*gone) == ["a.nii"]
    assert len(looks) == 1


def test_what_is_removed_before_it_is_loaded_is_told(watch: Watch, save: Save) -> None:
    path = save("a.nii")
    watched = watch()
    watched.settled()
    path.unlink()
    assert watched.load() == {"a.nii": "it was removed before it was sent"}
    watched.settled(path)
    save("a.nii")
    assert watched.settled(path) == ["a.nii"]


def test_what_changes_before_it_is_loaded_has_not_failed(watch: Watch, save: Save) -> None:
    path = save("a.nii")
    watched = watch()
    watched.settled()
    written_anew(path)
    assert watched.load() == {"a.nii": "withdrawn"}
    assert watched.settled() == ["a.nii"]
    assert sent(watched.load()) == ["a.nii"]


def test_a_file_that_fails_is_tried_again_only_when_it_changes(
    watch: Watch, save: Save, root: Path
) -> None:
    content = save("a.nii").read_bytes()
    (root / "a.nii").unlink()
    path = root / "b.nii"
    path.write_bytes(content[:360])
    watched = watch()
    assert watched.settled() == ["b.nii"]
    (told,) = watched.load().values()
    assert "truncated" in str(told)
    watched.collector.rescan(watched.now)
    assert watched.settled() == []
    assert watched.index.counts() == {Outcome.FAILED: 1}
    written_anew(path, content)
    assert watched.settled(path) == ["b.nii"]
    assert sent(watched.load()) == ["b.nii"]
    assert watched.index.counts() == {Outcome.SENT: 1}


def test_what_is_no_scan_is_skipped_and_told_once(watch: Watch, root: Path) -> None:
    (root / "README").write_text("text")
    (root / ".git").mkdir()
    (root / "notes").write_text("text\n" * 99)
    (root / "link").symlink_to(root.parent, target_is_directory=True)
    (root / "absent.nii").symlink_to("nothing")
    watched = watch()
    watched.settled()
    assert {task.label for task in watched.tasks} == {"link", "absent.nii"}
    assert sorted(file.kind for file in watched.skipped) == ["hidden", "text", "text"]
    assert watched.load()["link"] == LEADS_OUT
    watched.collector.rescan(watched.now)
    assert watched.settled(root / "README", root / "link", root / ".git" / "x") == []
    again = watch()
    again.settled()
    assert again.skipped == []


def kill(*_: object) -> None:
    """As kill -9 would."""
    raise SystemExit


def test_what_is_skipped_is_told_before_it_is_noted_and_again_after_a_kill_in_between(
    watch: Watch, write: Write, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "README").write_text("text")
    with monkeypatch.context() as killed:
        killed.setattr(Watched, "tell", kill)
        with pytest.raises(SystemExit):
            watch()
    (root / "notes").write_text("text\n" * 99)
    for instance in range(1, 7):
        write(instance)
    write(9, Rows=2, PixelData=bytes(16))
    watched = watch()
    assert [file.label for file in watched.skipped] == ["README"]
    with monkeypatch.context() as killed:
        killed.setattr(watched, "tell", kill)
        with pytest.raises(SystemExit):
            watched.after(QUIET_S)
    assert watched.index.counts() == {Outcome.SKIPPED: 1}
    again = watch()
    again.settled()
    assert sorted(file.label for file in again.skipped) == ["009.dcm", "notes"]
    again.load()
    assert again.index.counts() == {Outcome.SENT: 6, Outcome.SKIPPED: 3}


def test_memory_of_told_failures_is_bounded(
    watch: Watch, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collector, "TOLD_KEPT", 2)
    for n in range(4):
        (root / f"{n}.nii").symlink_to("nothing")
    watched = watch()
    assert len(watched.tasks) == 4
    assert len(watched.collector._told) == 2


def test_images_of_an_unread_format_fail_once_for_each_folder(watch: Watch, root: Path) -> None:
    for number in (1, 2):
        (root / f"{number}.nrrd").write_bytes(b"NRRD0004\n")
    watched = watch()
    assert watched.settled() == ["1.nrrd and 1 more"]
    watched.load()
    assert watched.index.counts() == {Outcome.FAILED: 2}


@pytest.mark.parametrize("first", [".hdr", ".img"])
def test_the_halves_of_a_pair_may_come_one_after_the_other(
    watch: Watch, save: Save, root: Path, first: str
) -> None:
    save("a.hdr")
    halves = {half: (root / f"a{half}").read_bytes() for half in (".hdr", ".img")}
    for half in halves:
        (root / f"a{half}").unlink()
    watched = watch()
    (root / f"a{first}").write_bytes(halves.pop(first))
    watched.settled(root / f"a{first}")
    watched.load()
    ((half, content),) = halves.items()
    (root / f"a{half}").write_bytes(content)
    watched.settled(root / f"a{half}")
    assert sent(watched.load()) == ["a.hdr"]


@pytest.mark.parametrize("first", [".hea", ".dat"])
def test_the_header_of_an_ecg_and_its_samples_may_come_one_after_the_other(
    watch: Watch, root: Path, first: str
) -> None:
    write_record(root, "r", np.arange(40).reshape(20, 2))
    halves = {half: (root / f"r{half}").read_bytes() for half in (".hea", ".dat")}
    for half in halves:
        (root / f"r{half}").unlink()
    watched = watch()
    (root / f"r{first}").write_bytes(halves.pop(first))
    watched.settled(root / f"r{first}")
    watched.load()
    ((half, content),) = halves.items()
    (root / f"r{half}").write_bytes(content)
    watched.settled(root / f"r{half}")
    assert sent(watched.load()) == ["r.hea"]


def test_all_volumes_of_a_file_count_for_its_outcome(watch: Watch, save: Save) -> None:
    path = save("a.nii", np.stack([np.ones((4, 4, 4)), np.full((4, 4, 4), np.nan)], axis=3))
    watched = watch()
    assert len(watched.settled()) == 2
    assert sent(watched.load()) == ["a.nii [volume 1]"]
    known = watched.index.get(path)
    assert known is not None
    assert known.outcome is Outcome.FAILED
    assert len(known.scan_ids) == 1


# --- series --------------------------------------------------------------------------------------


def test_a_series_is_sent_when_none_of_it_came_for_a_while(watch: Watch, write: Write) -> None:
    watched = watch()
    for instance in (1, 2, 3):
        assert watched.after(QUIET_S - 1, write(instance)) == []
    assert watched.after(2) == []
    assert watched.settled() == ["001.dcm (series of 3 slices)"]


@pytest.mark.parametrize("counts", ["ImagesInAcquisition", "NumberOfSeriesRelatedInstances"])
def test_a_series_is_sent_at_once_when_its_last_image_came(
    watch: Watch, write: Write, counts: str
) -> None:
    watched = watch()
    for instance in (1, 2):
        watched.after(0, write(instance, **{counts: 3}))
    assert watched.after(2 * QUIET_S) == []
    last = write(3, **{counts: 3})
    assert watched.after(0, last) == []  # it may be half written
    assert watched.after(1) == ["001.dcm (series of 3 slices)"]


def test_an_incomplete_series_is_sent_at_last_and_says_so(watch: Watch, write: Write) -> None:
    for instance in (1, 2, 3):
        write(instance, ImagesInAcquisition=4)
    watched = watch()
    assert watched.after(PATIENCE_S - 1) == []
    assert watched.after(1) == ["001.dcm (series of 3 slices)"]
    ((_, loaded),) = watched.load().items()
    assert isinstance(loaded, LoadedScan)
    assert "slices_missing" in loaded.scan.problems


def test_a_slice_that_is_still_being_copied_holds_its_series(
    watch: Watch, write: Write, root: Path
) -> None:
    whole = write(4).read_bytes()
    (root / "004.dcm").unlink()
    for instance in (1, 2, 3):
        write(instance)
    watched = watch()
    slow = root / "004.dcm"
    for size in range(100, 100 + 30 * 4, 4):
        slow.write_bytes(whole[:size])
        assert watched.after(0.9, slow) == []
    slow.write_bytes(whole)
    watched.settled(slow)
    assert sent(watched.load()) == ["001.dcm (series of 4 slices)"]


def test_slices_that_come_later_make_a_new_scan_of_the_whole_series(
    watch: Watch, write: Write
) -> None:
    for instance in (1, 2):
        write(instance)
    watched = watch()
    assert watched.settled() == ["001.dcm (series of 2 slices)"]
    ((_, half),) = watched.load().items()
    again = watch()  # also after a restart
    assert again.settled(write(3)) == ["001.dcm (series of 3 slices)"]
    ((_, whole),) = again.load().items()
    assert isinstance(half, LoadedScan)
    assert isinstance(whole, LoadedScan)
    assert half.scan.scan_id != whole.scan.scan_id
    known = again.index.get(again.root / "001.dcm")
    assert known is not None
    assert known.scan_ids == (whole.scan.scan_id,)


def test_slices_that_come_while_the_others_are_not_acknowledged_join_them(
    watch: Watch, write: Write
) -> None:
    for instance in (1, 2):
        write(instance)
    watched = watch()
    watched.settled()
    watched.load(store=False)
    assert watched.settled(write(3)) == ["001.dcm (series of 3 slices)"]


def test_a_stray_slice_is_skipped_and_does_not_fail_its_series(watch: Watch, write: Write) -> None:
    for instance in range(1, 7):
        write(instance)
    stray = write(9, Rows=2, PixelData=bytes(16))
    watched = watch()
    assert watched.settled() == ["001.dcm (series of 6 slices)"]
    watched.load()
    known = watched.index.get(stray)
    assert known is not None
    assert [(one.reason, one.origins[0].file) for one in known.told] == [
        ("slice that strayed into a series", "009.dcm")
    ]
    assert known.outcome is Outcome.SKIPPED
    assert watched.index.counts() == {Outcome.SENT: 6, Outcome.SKIPPED: 1}


def test_a_file_with_frames_of_several_series_is_held_once_for_each_and_for_all_of_them(
    watch: Watch, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(1)
    (plane,) = slices_of(path)
    frames = [replace(plane, series=f"1.2.{n}", frame=n) for n in (1, 2)]
    watched = watch()

    def read(files: Iterable[tuple[Path, str]]) -> Iterator[Found]:
        return iter([frames for _ in files])

    monkeypatch.setattr(watched.files, "read", read)
    assert len(watched.settled()) == 2
    file = watched.under_way.get(path)
    assert file is not None
    assert file.holds == 2


def test_an_archive_is_one_file_with_the_series_in_it(
    watch: Watch, write: Write, save: Save, root: Path
) -> None:
    files = {f"{instance}": write(instance).read_bytes() for instance in (1, 2, 3)}
    files["a.nii"] = save("a.nii").read_bytes()
    for path in root.iterdir():
        path.unlink()
    path = pack(root / "study.zip", files)
    watched = watch()
    assert watched.settled() == ["study.zip/a.nii", "study.zip/1 (series of 3 slices)"]
    assert not watched.collector._members
    watched.load()
    known = watched.index.get(path)
    assert known is not None
    assert (known.outcome, len(known.scan_ids)) == (Outcome.SENT, 2)


# --- after a restart -----------------------------------------------------------------------------


def nothing(files: Iterable[tuple[Path, str]]) -> Iterator[Found]:
    """Reads nothing."""
    assert list(files) == []
    return iter(())


def test_a_restart_reads_nothing_that_was_sent(
    watch: Watch, write: Write, save: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    save("a.nii")
    for instance in (1, 2, 3):
        write(instance)
    watched = watch()
    assert len(watched.settled()) == 2
    ids = {one.scan.scan_id for one in watched.load().values() if isinstance(one, LoadedScan)}
    again = watch()
    monkeypatch.setattr(again.files, "read", nothing)
    assert again.settled() == []
    assert {label for one in ids for label, _ in again.index.labels_of(one)} == {
        "a.nii", "001.dcm (series of 3 slices)"
    }  # fmt: skip


def test_what_was_not_acknowledged_is_read_again_by_the_next_run(watch: Watch, save: Save) -> None:
    save("a.nii")
    watched = watch()
    watched.settled()
    watched.load(store=False)
    assert watch().settled() == ["a.nii"]


def test_what_failed_is_tried_again_by_the_next_run_and_what_was_erased_is_not(
    watch: Watch, save: Save
) -> None:
    for name, fill in (("a.nii", 1), ("b.nii", 2)):
        save(name, np.full((3, 3, 3), fill, np.int16))
    watched = watch()
    watched.settled()
    told = watched.load(store=False)
    for label, for_good in (("a.nii", True), ("b.nii", False)):
        loaded = told[label]
        assert isinstance(loaded, LoadedScan)
        watched.under_way.refused(loaded.scan.scan_id, "erased", for_good=for_good)
    assert watched.settled() == []
    assert watch().settled() == ["b.nii"]


def test_an_empty_folder_forgets_nothing(watch: Watch, save: Save, root: Path) -> None:
    """A share that is not mounted."""
    save("a.nii")
    save("b.nii")
    watched = watch()
    watched.settled()
    watched.load()
    (root / "b.nii").unlink()
    elsewhere = root.parent / "a.nii"
    (root / "a.nii").rename(elsewhere)
    assert watch().index.counts() == {Outcome.SENT: 2}
    elsewhere.rename(root / "a.nii")
    again = watch()
    assert again.settled() == []
    assert again.index.counts() == {Outcome.SENT: 1}


def test_a_folder_that_cannot_be_listed_or_a_stop_forgets_nothing(
    watch: Watch, save: Save, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, fill in (("a.nii", 1), ("deep/b.nii", 2)):
        save(name, np.full((3, 3, 3), fill, np.int16))
    watched = watch()
    watched.settled()
    watched.load()
    scandir = os.scandir

    def refusing(path: str) -> Any:
        if str(path).endswith("deep"):
            raise OSError(5, "Input/output error", str(path))
        return scandir(path)

    with monkeypatch.context() as patched:
        patched.setattr(os, "scandir", refusing)
        watched.collector.rescan(watched.now)
    assert watched.index.counts() == {Outcome.SENT: 2}
    with monkeypatch.context() as patched:
        patched.setattr(watched.collector, "_stopping", lambda: True)
        watched.collector.rescan(watched.now)
    assert watched.index.counts() == {Outcome.SENT: 2}
    (root / "a.nii").unlink()
    watched.collector.rescan(watched.now)
    assert watched.index.counts() == {Outcome.SENT: 1}


def test_what_came_into_a_new_folder_before_it_was_watched_is_found(
    watch: Watch, save: Save, root: Path
) -> None:
    watched = watch()
    (root / "new").mkdir()
    watched.after(0, root / "new")
    save("new/a.nii")  # nothing tells
    assert watched.settled() == ["new/a.nii"]


def test_what_could_not_be_looked_at_is_looked_at_later(
    watch: Watch, save: Save, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = watch()
    arrived = [save("a.nii"), save("b.nii", np.ones((2, 2, 2), np.int16))]
    away = root.rename(root.parent / "away")
    with monkeypatch.context() as patched:
        patched.setattr(os.path, "lexists", lambda _: True)
        with pytest.raises(SourceError):
            watched.after(0, *arrived)
    away.rename(root)
    assert watched.settled() == ["a.nii", "b.nii"]


def test_a_failed_file_whose_permissions_change_is_tried_again(watch: Watch, root: Path) -> None:
    (root / "b.nii").write_bytes(b"x" * 999)
    watched = watch()
    watched.settled()
    watched.load()
    watched.collector.rescan(watched.now)
    assert watched.settled(root) == []
    assert watched.settled(root / "b.nii") == ["b.nii"]


def test_a_copy_of_a_stored_scan_is_known_at_once(watch: Watch, save: Save, root: Path) -> None:
    content = save("a.nii").read_bytes()
    watched = watch()
    watched.settled()
    watched.load()
    copy = root / "copy.nii"
    copy.write_bytes(content)
    assert watched.settled(copy) == ["copy.nii"]
    watched.load(store=False)
    assert watched.index.counts() == {Outcome.SENT: 2}


# --- partial copies ------------------------------------------------------------------------------


def test_a_partial_copy_that_comes_after_its_series_is_skipped_by_name(
    watch: Watch, write: Write, root: Path
) -> None:
    for k in range(1, 6):
        write(k, f"whole/{k}.dcm")
    watched = watch()
    assert watched.settled() == ["whole/1.dcm (series of 5 slices)"]
    watched.load()
    for k in (2, 3):
        write(k, f"part/{k}.dcm", SeriesInstanceUID="2.25.1", InstanceNumber=k + 40)
    assert watched.settled(root / "part") == []
    assert [(one.label, one.kind, one.detail) for one in watched.skipped] == [
        (f"part/{k}.dcm", "copy", f"whole/{k}.dcm") for k in (2, 3)
    ]
    known = watched.index.get(root / "part" / "2.dcm")
    assert known is not None
    assert known.outcome is Outcome.SKIPPED
    assert [account.reason for account in known.told] == ["the same slice as whole/2.dcm"]


def test_a_partial_copy_that_comes_with_its_series_is_skipped(watch: Watch, write: Write) -> None:
    for k in (2, 3):
        write(k, f"a/{k}.dcm", SeriesInstanceUID="2.25.1")
    for k in range(1, 6):
        write(k, f"b/{k}.dcm")
    watched = watch()
    assert watched.settled() == ["b/1.dcm (series of 5 slices)"]
    assert [one.label for one in watched.skipped] == ["a/2.dcm", "a/3.dcm"]


def test_a_partial_copy_that_was_sent_does_not_keep_back_the_whole_series(
    watch: Watch, write: Write, root: Path
) -> None:
    """Nothing can be unsent: both are scans with names of their own."""
    for k in (2, 3):
        write(k, f"part/{k}.dcm", SeriesInstanceUID="2.25.1")
    watched = watch()
    assert watched.settled() == ["part/2.dcm (series of 2 slices)"]
    watched.load()
    for k in range(1, 6):
        write(k, f"whole/{k}.dcm")
    assert watched.settled(root / "whole") == ["whole/1.dcm (series of 5 slices)"]
    watched.load()
    for path in ("part/2.dcm", "whole/1.dcm"):
        known = watched.index.get(root / path)
        assert known is not None
        assert known.outcome is Outcome.SENT
