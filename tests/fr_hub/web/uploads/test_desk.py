"""The desk: what is old goes, what is stored leaves no file, what fails can be repeated."""

import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from common.errors import StoreUnavailable
from fr_hub.web.context import WebContext
from fr_hub.web.uploads.desk import ENTRY_BYTES, TooLarge, UploadDesk, opened_desk
from fr_hub.web.uploads.intake import MIB
from fr_hub.web.uploads.reservations import ENTRIES_EACH, NoSpace
from fr_hub.web.uploads.upload import Owner, Upload
from tests.fr_pacs.sources.image_folders import saver
from tests.running import until

JANE = Owner("default", "jane")
HOUR_S = 3600.0


@pytest.fixture
def desk(context: WebContext) -> Iterator[UploadDesk]:
    with opened_desk(context.settings, context.store, context.audit, context.log) as made:
        yield made


def received(desk: UploadDesk, context: WebContext) -> Upload:
    data = saver(context.settings.data_dir.parent)("a.nii").read_bytes()
    upload = desk.begin(JANE, [("a.nii", len(data))])
    upload.write(0, data)
    return upload


def test_an_upload_that_is_not_finished_goes_after_a_day(
    desk: UploadDesk, context: WebContext
) -> None:
    upload = received(desk, context)
    now = time.monotonic()
    assert desk.expire(now + 23 * HOUR_S) == 0
    assert desk.find(upload.id, JANE) is upload
    assert desk.expire(now + 25 * HOUR_S) == 1
    assert desk.find(upload.id, JANE) is None
    assert not upload.folder.exists()


def test_a_finished_one_leaves_no_file_and_its_answer_for_an_hour(
    desk: UploadDesk, context: WebContext
) -> None:
    upload = received(desk, context)
    results = desk.finish(upload).result(60)
    assert [one.outcome for one in results] == ["stored"]
    assert not upload.folder.exists()
    assert desk.finish(upload).result(60) == results
    assert desk.expire(time.monotonic() + 2 * HOUR_S) == 1


def test_while_the_store_is_away_the_files_stay_and_it_can_be_repeated(
    desk: UploadDesk, context: WebContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise StoreUnavailable("no primary")

    upload = received(desk, context)
    with monkeypatch.context() as patched:
        patched.setattr(type(context.store.scans), "add", away)
        with pytest.raises(StoreUnavailable):
            desk.finish(upload).result(60)
    assert [one.outcome for one in desk.finish(upload).result(60)] == ["stored"]


def test_space_comes_back_however_an_upload_ends(desk: UploadDesk, context: WebContext) -> None:
    half = desk.limit
    for _ in range(40):
        desk.end(desk.begin(JANE, [("a", half)]))
    for _ in range(20):
        assert desk.finish(received(desk, context)).result(60)
    with pytest.raises(TooLarge):
        desk.begin(JANE, [("a", desk.limit + 1)])


def test_nobody_else_finds_an_upload(desk: UploadDesk) -> None:
    upload = desk.begin(JANE, [("a", 1)])
    assert desk.find(upload.id, Owner("default", "john")) is None
    assert desk.find(upload.id, Owner("north", "jane")) is None
    assert desk.find(upload.id, JANE) is upload


def test_empty_files_and_folders_take_space(desk: UploadDesk, context: WebContext) -> None:
    deep = [(f"{n}/" + "d/" * 14 + "a", 0) for n in range(200)]
    upload = desk.begin(JANE, deep)
    paths = sum(1 for _ in upload.folder.rglob("*"))
    assert (upload.reserved_entries, paths) == (200 * 16, 200 * 16)
    desk.end(upload)
    tight = context.settings.model_copy(update={"web_uploads_mib": 8})
    assert 8 * MIB // 2 < 200 * 16 * ENTRY_BYTES
    with opened_desk(tight, context.store, context.audit, context.log) as small:
        with pytest.raises(NoSpace):
            small.begin(JANE, deep)
        assert small.begin(JANE, deep[:50]).size == 0
    many = [(f"{n}/" + "d/" * 14 + "a", 0) for n in range(ENTRIES_EACH // 16 + 1)]
    with pytest.raises(NoSpace, match="folders"):
        desk.begin(JANE, many)


def test_a_finished_upload_keeps_no_name(desk: UploadDesk, context: WebContext) -> None:
    upload = received(desk, context)
    assert desk.finish(upload).result(60)
    assert not [
        name
        for name, value in vars(upload).items()
        if name != "results" and "a.nii" in shown(value)
    ]


def shown(value: object) -> str:
    return str(getattr(value, "__dict__", value))


def test_many_left_files_hold_up_no_start(
    context: WebContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = context.settings.data_dir / "web" / "uploads" / "left"
    left.mkdir(parents=True)
    (left / "JANE.nii").write_bytes(b"x")
    go_on, remove = threading.Event(), shutil.rmtree

    def slow(path: Path, **given: Any) -> None:
        if path == left:
            go_on.wait(30)
        remove(path, **given)

    monkeypatch.setattr(shutil, "rmtree", slow)
    with opened_desk(context.settings, context.store, context.audit, context.log) as desk:
        assert left.exists()
        assert desk.finish(received(desk, context)).result(60)
        go_on.set()
        until(lambda: not left.exists(), 10)
