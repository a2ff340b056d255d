"""Revisions and pictures on their way: an acknowledgement counts for what it was given for."""

import contextlib

from common.domain.types import hash_voxels
from common.store.collections import Collection
from common.store.db_manager import DBManager
from common.wire.messages import Ack, Report
from tests.factories import inside, make_claimable, make_report, make_reports
from tests.fr_hub.pushing import Reports, is_sent, next_report, pushing
from tests.running import answer, until

QUIET_S = 0.6


def analyse_again(store: DBManager, scan_id: str, revision: int) -> None:
    assert store.revisions.schedule_reanalysis([scan_id], revision) == 1
    (claim,) = store.claims.claim("again", 1, 60)
    store.claims.complete([(claim, make_report(claim.scan, revision=claim.revision))])


def test_a_report_that_was_replaced_while_it_was_under_way_is_not_sent_by_its_acknowledgement(
    store: DBManager, pacs: Reports
) -> None:
    [report] = make_reports(store, 1)
    with pushing(store, pacs.settings()), contextlib.closing(pacs.accept()) as channel:
        assert next_report(channel) == report.scan_id
        analyse_again(store, report.key, 1)
        assert channel.receive(QUIET_S) is None  # one revision is under way at a time
        channel.send(Ack((report.scan_id,)))
        assert channel.receive(QUIET_S) is None
        assert not is_sent(store, report.scan_id)
    # Its lease is given back with the connection.
    with pushing(store, pacs.settings()), contextlib.closing(pacs.accept()) as channel:
        inside(store, Collection.REPORTS).update_one({}, [{"$set": {"next_try_at": "$created_at"}}])
        event = answer(channel)
        assert isinstance(event, Report)
        assert event.report.revision == 2
        channel.send(Ack((report.scan_id,)))
        until(lambda: is_sent(store, report.scan_id))


def test_pictures_go_with_their_reports_and_one_that_is_gone_holds_up_none(
    store: DBManager, pacs: Reports
) -> None:
    pictures = {hash_voxels(png): png for png in (b"one", b"two", b"gone")}
    make_claimable(store, 4)
    claims = store.claims.claim("a", 4, 60)
    names = [*pictures, None]
    store.claims.complete(
        [
            (claim, make_report(claim.scan, picture_hash=name))
            for claim, name in zip(claims, names, strict=True)
        ]
    )
    for claim, (name, png) in list(zip(claims, pictures.items(), strict=False))[:2]:
        for _ in range(2):  # repeatable
            store.pictures.add(claim.scan.key, name, png)
    with pushing(store, pacs.settings()), contextlib.closing(pacs.accept()) as channel:
        came = {}
        for _ in range(4):
            event = answer(channel)
            assert isinstance(event, Report)
            came[event.report.picture_hash] = event.picture
    assert came == dict(zip(names, (b"one", b"two", None, None), strict=True))
