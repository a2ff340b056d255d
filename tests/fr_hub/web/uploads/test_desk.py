"""The desk: what is old goes, what is stored leaves no file, what fails can be repeated."""

import time
from collections.abc import Iterator

import pytest

from common.errors import StoreUnavailable
from fr_hub.web.context import WebContext
from fr_hub.web.uploads.desk import TooLarge, UploadDesk, opened_desk
from fr_hub.web.uploads.upload import Owner, Upload
from tests.fr_pacs.sources.image_folders import saver

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
