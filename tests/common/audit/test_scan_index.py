"""The index of recorded events, in a temporary file."""

from common.audit.scan_index import RecordedEvents, ScanIndex
from common.domain.audit_chain import FIRST, Chain, Head, make_entry
from common.domain.audit_events import Kind, event


def test_the_events_of_a_scan_add_up_and_scans_are_in_order() -> None:
    with ScanIndex() as index:
        first = [event(Kind.RECEIVE, ["b", "a"]), event(Kind.CLAIM, ["b"])]
        index.add(make_entry("w", 0, FIRST, first), "w/0")
        index.add(make_entry("w", 1, FIRST, [event(Kind.REPORT, ["b"])]), "w/1")
        both = RecordedEvents.RECEIVED | RecordedEvents.REPORTED | RecordedEvents.OTHER
        assert list(index.scans()) == [("a", RecordedEvents.RECEIVED), ("b", both)]
        assert index.recorded(["b", "unknown"]) == {"b": both}


def test_each_kind_that_is_verified_is_told_apart() -> None:
    kinds = {
        Kind.RECEIVE: RecordedEvents.RECEIVED,
        Kind.REPORT: RecordedEvents.REPORTED,
        Kind.SEND: RecordedEvents.SENT,
        Kind.ERROR: RecordedEvents.FAILED,
        Kind.REQUEUE: RecordedEvents.OTHER,
        Kind.SCHEDULE_REANALYSIS: RecordedEvents.OTHER,
        Kind.CONFLICT: RecordedEvents.OTHER,
    }
    with ScanIndex() as index:
        for kind in kinds:
            index.add(make_entry("w", 0, FIRST, [event(kind, [kind])]), "w/0")
        assert index.recorded(kinds) == kinds


def test_anchors_are_kept_with_their_source_once() -> None:
    head, later = Head("other", 3, "1" * 64), Head("other", 7, "2" * 64)
    with ScanIndex() as index:
        index.add(make_entry("w", 0, FIRST, [event(Kind.ANCHOR)], [head]), "w/0")
        index.add_anchors([head, later], "a file")
        [page] = index.anchors()
        assert sorted(page, key=lambda found: found[0].seq) == [(head, "w/0"), (later, "a file")]


def test_chains_are_kept_as_far_as_they_were_read() -> None:
    with ScanIndex() as index:
        for n in range(5):
            index.put_chain(Chain(f"w{n}", entries=3, seq=2, hash=str(n) * 64, closed=n > 0))
        index.add_anchors([Head("w0", 1, "0" * 64), Head("w1", 2, "1" * 64)], "a file")
        assert index.chain("w1") == Chain("w1", entries=3, seq=2, hash="1" * 64, closed=True)
        assert index.chain("new") == Chain("new")
        assert [head.at for head in index.heads()] == [f"w{n}/2" for n in range(5)]
        assert (index.count_chains(), index.count_not_anchored()) == ((5, 15, 1), 1 + 3 * 3)
        pages = [(after, through, list(page)) for after, through, page in index.chain_pages(2)]
        assert pages == [("", "w1", ["w0", "w1"]), ("w1", "w3", ["w2", "w3"]), ("w3", None, ["w4"])]


def test_suspects_are_listed_once_in_order_and_in_pages() -> None:
    names = [f"{n:04}" for n in range(1500)]
    with ScanIndex() as index:
        for name in (*reversed(names), *names[:10]):
            index.add_suspect(name)
        pages = list(index.suspects())
        assert [len(page) for page in pages] == [1000, 500]
        assert [name for page in pages for name in page] == names


def test_events_of_a_renamed_scan_are_found_under_its_key() -> None:
    with ScanIndex() as index:
        index.add_renamed(["a@pacs-1"])
        events = [event(Kind.RECEIVE, ["a", "b"]), event(Kind.RECEIVE, ["a@pacs-2"])]
        index.add(make_entry("w", 0, FIRST, events), "w/0")
        index.add(make_entry("w", 1, FIRST, [event(Kind.REPORT, ["a@pacs-1"])]), "w/1")
        assert list(index.scans()) == [
            ("a@pacs-1", RecordedEvents.RECEIVED | RecordedEvents.REPORTED),
            ("a@pacs-2", RecordedEvents.RECEIVED),
            ("b", RecordedEvents.RECEIVED),
        ]
