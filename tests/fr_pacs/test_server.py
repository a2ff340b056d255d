"""Fr-PACS' report server on real sockets: what it takes, keeps, acknowledges and refuses."""

import contextlib
import csv
import json
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from bson import Int64
from structlog.testing import capture_logs

from common.domain.pacs_key import HubSecret, PacsKey, PacsKeys
from common.domain.report import REVISION_MAX, AnalyzerId, BrainReport, report_id_of
from common.domain.report_text import report_text
from common.errors import AlreadyRunning, PeerAway, ProtocolError, Refusal, SettingsError
from common.runtime.logger import RateLimitedLog, get_log
from common.settings.pacs import PacsSettings
from common.wire.blocking_connection import Channel
from common.wire.connection_policy import ConnectionPolicy
from common.wire.messages import Ack, Failed, Report
from common.wire.protocol import Side
from fr_pacs import server as pacs_server
from fr_pacs.ledger import Ledger
from fr_pacs.report_files import write_report
from fr_pacs.run_counts import RunCounter
from fr_pacs.server import ReportServer
from fr_pacs.sources.base import Origin
from tests.factories import make_report, make_scan, together
from tests.fr_pacs.streams import pacs_settings
from tests.label_maps import header_of, label_messages, labels_of, packed
from tests.running import FRAME, KEYS, POLICY, RawPeer, acked, answer, refusal


def a_report(**overrides: Any) -> BrainReport:
    """A report for this Fr-PACS."""
    return make_report(make_scan()[0], **overrides)


def new_counter() -> RunCounter:
    """Counts of a run that writes no ledger."""
    return RunCounter(None, Ledger(None), RateLimitedLog(get_log()))


@contextlib.contextmanager
def serving(
    settings: PacsSettings,
    counter: RunCounter | None = None,
    policy: ConnectionPolicy = POLICY,
) -> Iterator[ReportServer]:
    """The server."""
    with contextlib.closing(
        ReportServer(settings, counter or new_counter(), get_log(), policy)
    ) as server:
        yield server


@contextlib.contextmanager
def hub_of(settings: PacsSettings) -> Iterator[Channel]:
    """A greeted connection of a Fr-HUB."""
    address = (settings.pacs_host, settings.pacs_port)
    with contextlib.closing(
        Channel.connect(address, Side.REPORT_SENDER, FRAME, 60, 5, POLICY)
    ) as channel:
        assert channel.greet("fr-hub").name == settings.pacs_name
        yield channel


def deliver(channel: Channel, *reports: BrainReport) -> Any:
    """Send reports; the first answer."""
    channel.send(*map(Report, reports))
    return answer(channel)


# --- taking reports ------------------------------------------------------------------------------


def test_a_report_is_counted_and_acknowledged() -> None:
    settings, counter, report = pacs_settings(), new_counter(), a_report()
    counter.sent({report.scan_id: "a scan"})
    with serving(settings, counter), hub_of(settings) as channel:
        assert acked(deliver(channel, report)) == (report.scan_id,)
        assert counter.totals().delivered == 1


def test_a_scan_that_failed_for_good_is_counted_and_acknowledged() -> None:
    settings, counter = pacs_settings(), new_counter()
    counter.sent({"scan-1": "head.nii"})
    with serving(settings, counter), hub_of(settings) as channel:
        for _ in range(2):
            channel.send(Failed("scan-1", "no brain in it"))
            assert acked(answer(channel)) == ("scan-1",)
    assert counter.totals().failed == 1
    assert counter.totals().failures[0].reason == "the analysis failed: no brain in it"


def test_a_report_that_the_ledger_cannot_take_is_not_acknowledged_and_comes_again(
    tmp_path: Path,
) -> None:
    path = tmp_path / "ledger"
    settings, report = pacs_settings(reports=tmp_path / "reports"), a_report()
    ledger = Ledger(path)
    counter = RunCounter(None, ledger, RateLimitedLog(get_log()))
    before = ledger._file
    with serving(settings, counter), hub_of(settings) as channel:
        with open("/dev/full", "ab", buffering=0) as full:  # noqa: PTH123
            ledger._file = full
            nack = refusal(deliver(channel, report))
            assert (nack.code, nack.retry) == (Refusal.UNAVAILABLE, True)
        ledger._file = before
        assert acked(deliver(channel, report)) == (report.scan_id,)
    ledger.close()
    [line] = path.read_text().splitlines()
    assert json.loads(line)["event"] == "reported"


def test_reports_that_come_together_share_acknowledgements() -> None:
    settings = pacs_settings()
    reports = [a_report() for _ in range(100)]
    with serving(settings), hub_of(settings) as channel:
        answers = [acked(deliver(channel, *reports))]
        while sum(map(len, answers)) < 100:
            answers.append(acked(answer(channel)))
        assert [scan_id for ids in answers for scan_id in ids] == [r.scan_id for r in reports]
        assert len(answers) < 50


def test_reports_that_come_together_are_written_to_the_ledger_in_order_and_once(
    tmp_path: Path,
) -> None:
    first, other = a_report(), a_report()
    later = first.model_copy(update={"revision": 2, "report_id": report_id_of(first.scan_id, 2)})
    settings, path = pacs_settings(), tmp_path / "ledger"
    ledger = Ledger(path)
    counter = RunCounter(None, ledger, RateLimitedLog(get_log()))
    sent = (first, other, other, later, first)
    with serving(settings, counter), hub_of(settings) as channel:
        answers = [*acked(deliver(channel, *sent))]
        while len(answers) < len(sent):
            answers += acked(answer(channel))
    ledger.close()
    assert answers == [report.scan_id for report in sent]
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["scan_id"], line.get("revision")) for line in lines] == [
        (first.scan_id, None),
        (other.scan_id, None),
        (first.scan_id, "2"),
    ]


def test_reports_that_come_together_are_all_refused_if_the_ledger_takes_none() -> None:
    settings, reports = pacs_settings(), [a_report() for _ in range(3)]
    with serving(settings) as server:
        channel = Answered()
        with open("/dev/full", "ab", buffering=0) as full:  # noqa: PTH123
            server._counter._ledger._file = full
            server._answer(channel, [Report(report) for report in reports])  # type: ignore[arg-type]
    assert [(nack.id, nack.code, nack.retry) for nack in channel.answers] == [
        (report.scan_id, Refusal.UNAVAILABLE, True) for report in reports
    ]


def test_of_reports_that_come_together_one_that_cannot_be_kept_refuses_only_itself(
    tmp_path: Path,
) -> None:
    first, other, last = a_report(), a_report(), a_report()
    later = first.model_copy(update={"revision": 2, "report_id": report_id_of(first.scan_id, 2)})
    settings = pacs_settings(reports=tmp_path / "reports")
    ledger = Ledger(tmp_path / "ledger")
    counter = RunCounter(None, ledger, RateLimitedLog(get_log()))
    channel = Answered()
    with serving(settings, counter) as server:
        # Where its file is to be, there is a folder with something in it.
        (tmp_path / "reports" / f"{other.scan_id}.json" / "in the way").mkdir(parents=True)
        failed = Failed(make_scan()[0].scan_id, "no brain in it")
        sent = [Report(first), Report(other), failed, Report(later), Report(last), Report(last)]
        server._answer(channel, sent)  # type: ignore[arg-type]
    ledger.close()
    nack, ack = channel.answers
    assert (nack.id, nack.code, nack.retry) == (other.scan_id, Refusal.UNAVAILABLE, True)
    assert ack.ids == (first.scan_id, failed.scan_id, first.scan_id, last.scan_id, last.scan_id)
    lines = [json.loads(line) for line in (tmp_path / "ledger").read_text().splitlines()]
    noted = [(line["event"], line["scan_id"], line.get("revision")) for line in lines]
    assert sorted(noted, key=str) == sorted(
        [
            ("reported", first.scan_id, None),
            ("failed", failed.scan_id, None),
            ("reported", first.scan_id, "2"),
            ("reported", last.scan_id, None),
        ],
        key=str,
    )
    kept = json.loads((tmp_path / "reports" / f"{first.scan_id}.json").read_text())
    assert kept["revision"] == 2


def test_a_full_disk_under_the_ledger_is_the_reason_why_reports_are_missing(tmp_path: Path) -> None:
    settings, reports = pacs_settings(), [a_report() for _ in range(3)]
    ledger = Ledger(tmp_path / "ledger")
    counter = RunCounter(3, ledger, RateLimitedLog(get_log()))
    counter.sent({report.scan_id: f"scan {n}" for n, report in enumerate(reports)})
    with serving(settings, counter) as server:
        with open("/dev/full", "ab", buffering=0) as full:  # noqa: PTH123
            before, ledger._file = ledger._file, full
            server._answer(Answered(), [Report(report) for report in reports])  # type: ignore[arg-type]
        ledger._file = before
        assert counter.totals().delivered == 0
        assert counter.fail_awaited() == 3
    ledger.close()
    reasons = {failure.reason for failure in counter.totals().failures}
    [reason] = reasons
    assert reason.startswith("the ledger cannot be written: No space left on device")


class Answered:
    """A connection that keeps what is sent on it."""

    def __init__(self) -> None:
        self.answers: list[Any] = []

    def send(self, *messages: Any) -> None:
        """Keep these messages."""
        self.answers += messages


def test_the_same_report_again_is_acknowledged_and_counted_once() -> None:
    settings, counter, report = pacs_settings(), new_counter(), a_report()
    counter.sent({report.scan_id: "a scan"})
    with serving(settings, counter), hub_of(settings) as channel:
        for _ in range(3):
            assert acked(deliver(channel, report)) == (report.scan_id,)
        with hub_of(settings) as another:
            assert acked(deliver(another, report)) == (report.scan_id,)
        assert counter.totals().delivered == 1


def test_a_report_of_an_earlier_run_is_acknowledged_and_not_counted_in_this_one() -> None:
    settings, counter, report = pacs_settings(), new_counter(), a_report()
    with serving(settings, counter), hub_of(settings) as channel:
        assert acked(deliver(channel, report)) == (report.scan_id,)
        assert counter.totals().delivered == 0


def test_a_report_for_another_pacs_is_refused_and_the_connection_goes_on() -> None:
    settings, report = pacs_settings(), a_report()
    stray = a_report(pacs="pacs-2")
    with serving(settings), hub_of(settings) as channel:
        nack = refusal(deliver(channel, stray))
        assert (nack.id, nack.code, nack.retry) == (stray.scan_id, "header", False)
        assert nack.reason == "the report is for 'pacs-2', and this is 'pacs-1' (PACS_NAME)"
        assert acked(deliver(channel, report)) == (report.scan_id,)


def test_a_malformed_report_is_refused_and_the_connection_goes_on() -> None:
    settings, report = pacs_settings(), a_report()
    content = report.model_dump()
    with serving(settings), RawPeer(settings.pacs_port, "fr-hub") as peer:
        broken = {**content, "run_time_ms": "long"}
        peer.put({"t": "report", "report": broken})
        nack = peer.read()
        assert (nack["t"], nack["id"], nack["code"]) == ("nack", report.scan_id, "header")
        assert nack["reason"].startswith("run_time_ms: ")
        assert not nack["retry"]
        peer.put({"t": "report", "report": content})
        assert peer.read()["ids"] == [report.scan_id]


def test_what_is_no_report_ends_the_connection_and_others_are_served() -> None:
    settings, report = pacs_settings(), a_report()
    with serving(settings):
        for message in ({"t": "report"}, {"t": "scan"}, {"t": "dance"}):
            with RawPeer(settings.pacs_port, "fr-hub") as peer:
                peer.put(message)
                assert peer.read()["id"] is None
                assert peer.closed()
        with hub_of(settings) as channel:
            assert acked(deliver(channel, report)) == (report.scan_id,)


def test_a_port_in_use_is_said() -> None:
    settings = pacs_settings()
    with serving(settings), pytest.raises(AlreadyRunning, match="is in use"), serving(settings):
        pass


@pytest.mark.parametrize("keep", [False, True], ids=["counted", "written"])
def test_an_older_revision_is_acknowledged_and_ignored(tmp_path: Path, keep: bool) -> None:
    settings = pacs_settings(reports=tmp_path / "reports" if keep else None)
    scan = make_scan()[0]
    with capture_logs() as logs:
        with serving(settings), hub_of(settings) as channel:
            for revision in (3, 1, 2, 9):  # with gaps: what was replaced is never sent
                report = make_report(scan, revision=revision)
                assert acked(deliver(channel, report)) == (scan.scan_id,)
        with serving(settings), hub_of(settings) as channel:  # of another run
            assert acked(deliver(channel, make_report(scan, revision=4))) == (scan.scan_id,)
    taken = sum(log["event"] == "report received" for log in logs)
    assert taken == (2 if keep else 3)  # without REPORTS and ledger, a run knows its own only
    if keep:
        written = json.loads((tmp_path / "reports" / f"{scan.scan_id}.json").read_text())
        assert written["revision"] == 9


def test_an_awaited_report_counts_although_the_folder_has_a_later_one(tmp_path: Path) -> None:
    """As after the same files were sent to a Fr-HUB with a new database."""
    settings, counter, scan = pacs_settings(reports=tmp_path), new_counter(), make_scan()[0]
    write_report(tmp_path, make_report(scan, revision=2))
    counter.sent({scan.scan_id: "a scan"})
    counter.exhausted()
    with serving(settings, counter), hub_of(settings) as channel:
        assert acked(deliver(channel, make_report(scan))) == (scan.scan_id,)
        assert counter.wait(0)
    assert counter.totals().delivered == 1
    assert json.loads((tmp_path / f"{scan.scan_id}.json").read_text())["revision"] == 2


@pytest.mark.parametrize("revision", [2**62, REVISION_MAX + 1, 0])
def test_a_revision_out_of_all_reason_is_refused(revision: int) -> None:
    settings, report = pacs_settings(), a_report()
    content = {**report.model_dump(), "revision": Int64(revision)}
    del content["report_id"]
    with serving(settings), RawPeer(settings.pacs_port, "fr-hub") as peer:
        peer.put({"t": "report", "report": content})
        nack = peer.read()
        assert (nack["t"], nack["id"], nack["code"]) == ("nack", report.scan_id, "header")
        assert nack["reason"].startswith("revision: ")
        peer.put({"t": "report", "report": report.model_dump()})
        assert peer.read()["ids"] == [report.scan_id]


# --- who may send them ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("fr-hub", HubSecret(b"another")),
        ("fr-hub", PacsKey(KEYS.key_of("pacs-2"))),  # of another Fr-PACS
        ("fr-hub", None),
    ],
)
def test_a_report_is_taken_only_from_who_has_the_key_of_this_fr_pacs(
    name: str, keys: PacsKeys | None
) -> None:
    settings, counter = pacs_settings(), new_counter()
    address = (settings.pacs_host, settings.pacs_port)
    policy = ConnectionPolicy(keys=keys)
    with serving(settings, counter):
        channel = Channel.connect(address, Side.REPORT_SENDER, FRAME, 60, 5, policy)
        with contextlib.closing(channel), pytest.raises(ProtocolError, match="key") as refused:
            channel.greet(name)
        assert refused.value.code is Refusal.UNAUTHENTICATED
        with hub_of(settings) as hub:
            assert acked(deliver(hub, a_report()))


def test_a_fr_pacs_that_has_the_key_is_not_fr_hub() -> None:
    settings = pacs_settings()
    address = (settings.pacs_host, settings.pacs_port)
    with serving(settings):
        channel = Channel.connect(address, Side.REPORT_SENDER, FRAME, 60, 5, POLICY)
        with (
            contextlib.closing(channel),
            pytest.raises(ProtocolError, match="the peer is 'pacs-1', not 'fr-hub'"),
        ):
            channel.greet("pacs-1")


def test_a_report_that_a_relay_changes_is_not_taken() -> None:
    settings, counter, report = pacs_settings(), new_counter(), a_report()
    with serving(settings, counter), RawPeer(settings.pacs_port, "fr-hub") as peer:
        data = peer.frames(Report(report))
        changed = data.replace(b"pass", b"fail", 1)
        assert changed != data
        peer.socket.sendall(changed)
        nack = peer.read()
        assert (nack["id"], nack["code"]) == (None, "malformed")
        assert peer.closed()
    assert not counter._known.has_report(report.scan_id)


# --- keeping them --------------------------------------------------------------------------------


def test_each_report_becomes_a_file_before_it_is_acknowledged(tmp_path: Path) -> None:
    folder = tmp_path / "made" / "on the way"
    settings = pacs_settings(reports=folder)
    reports = [a_report() for _ in range(3)]
    with serving(settings), hub_of(settings) as channel:
        for report in reports:
            assert acked(deliver(channel, report)) == (report.scan_id,)
            written = (folder / f"{report.scan_id}.json").read_text()
            assert BrainReport.model_validate_json(written) == report
    names = {path.name for path in folder.iterdir()}
    kinds = (".json", ".txt")
    written_whole = {r.scan_id + kind for r in reports for kind in kinds}
    assert names == {*written_whole, "index.csv"}  # and nothing half written


def test_the_index_names_the_files_of_a_report_also_those_found_later(tmp_path: Path) -> None:
    settings, counter, report = pacs_settings(reports=tmp_path), new_counter(), a_report()
    with serving(settings, counter), hub_of(settings) as channel:
        for name in ("one.nii", "two.nii"):
            counter.is_copy(report.scan_id, name, Origin(name, "", "/data"))
        counter.sent({report.scan_id: "one.nii"})
        assert acked(deliver(channel, report)) == (report.scan_id,)
        counter.is_copy(report.scan_id, "three.nii", Origin("three.nii", "", "/data"))
    with (tmp_path / "index.csv").open(newline="") as file:
        rows = [(row["file"], row["outcome"], row["verdict"]) for row in csv.DictReader(file)]
    assert sorted(rows) == [
        ("one.nii", "reported", "pass"),
        ("three.nii", "copy", "pass"),
        ("two.nii", "copy", "pass"),
    ]
    assert (tmp_path / f"one__{report.scan_id}.json").exists()


def test_a_report_is_kept_once_and_the_first_one_stays(tmp_path: Path) -> None:
    settings = pacs_settings(reports=tmp_path)
    report = a_report()
    later = report.model_copy(update={"analyzer": AnalyzerId(name="grid", version="2")})
    with serving(settings), hub_of(settings) as channel:
        for one in (report, later):
            assert acked(deliver(channel, one)) == (report.scan_id,)
    (path,) = tmp_path.glob("*.json")
    assert json.loads(path.read_text())["analyzer"]["version"] == "1"


def test_of_many_that_write_the_same_report_one_does_and_nothing_is_left(tmp_path: Path) -> None:
    report = a_report()
    together(8, lambda _: write_report(tmp_path, report))
    path, text = sorted(tmp_path.iterdir())
    assert text.read_text() == report_text(report)
    assert BrainReport.model_validate_json(path.read_text()) == report
    assert path.stat().st_mode & 0o777 == 0o644


def test_what_cannot_be_kept_is_not_acknowledged_and_comes_again(tmp_path: Path) -> None:
    folder = tmp_path / "reports"
    settings, counter, report = pacs_settings(reports=folder), new_counter(), a_report()
    counter.sent({report.scan_id: "a scan"})
    with serving(settings, counter), hub_of(settings) as channel:
        shutil.rmtree(folder)
        nack = refusal(deliver(channel, report))
        assert (nack.id, nack.code, nack.retry) == (report.scan_id, "unavailable", True)
        assert nack.reason == "the report cannot be written: No such file or directory"
        assert counter.totals().delivered == 0
        folder.mkdir()
        assert acked(deliver(channel, report)) == (report.scan_id,)
        assert counter.totals().delivered == 1


@pytest.mark.parametrize("where", ["file", "file/below", "/proc/self"])
def test_a_folder_that_cannot_be_written_is_said_at_the_start(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").touch()
    settings = pacs_settings(reports=tmp_path / where)
    with (
        pytest.raises(
            SettingsError,
            match=r"^REPORTS='.*' is not a folder that Fr-PACS can write to \([A-Z].*: name a",
        ),
        serving(settings),
    ):
        pass


def test_label_maps_are_on_disk_before_their_report_is_acknowledged(tmp_path: Path) -> None:
    settings, report = pacs_settings(reports=tmp_path, label_maps=True), a_report()
    labels = labels_of(make_scan()[0])
    maps = packed(lesions=labels)
    messages = label_messages(header_of(report, maps), maps.payload)
    with serving(settings), hub_of(settings) as channel:
        for _ in range(2):
            channel.send(*messages, Report(report))
            assert acked(answer(channel)) == (report.scan_id,)
            image: Any = nib.load(tmp_path / f"{report.scan_id}.lesions.nii.gz")
            assert np.array_equal(np.asanyarray(image.dataobj), labels)
    kinds = ("json", "txt", "lesions.nii.gz")
    written = {f"{report.scan_id}.{kind}" for kind in kinds}
    assert {path.name for path in tmp_path.iterdir()} == {*written, "index.csv"}


def test_label_maps_for_which_there_is_no_room_are_not_acknowledged_and_come_again(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "reports"
    settings, report = pacs_settings(reports=folder, label_maps=True), a_report()
    maps = packed(lesions=labels_of(make_scan()[0]))
    messages = label_messages(header_of(report, maps), maps.payload)
    with serving(settings), hub_of(settings) as channel:
        shutil.rmtree(folder)
        channel.send(*messages)
        channel.send(Report(report))
        nack = refusal(answer(channel))
        assert (nack.id, nack.code, nack.retry) == (report.scan_id, "unavailable", True)
        folder.mkdir()
        channel.send(*messages, Report(report))
        assert acked(answer(channel)) == (report.scan_id,)
    assert (folder / f"{report.scan_id}.lesions.nii.gz").exists()


def test_while_label_maps_are_written_fr_hub_hears_that_this_unit_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pacs_server, "PONG_S", 0.0)
    settings, report = pacs_settings(reports=tmp_path, label_maps=True), a_report()
    maps = packed(lesions=labels_of(make_scan()[0]))
    with serving(settings), RawPeer(settings.pacs_port, "fr-hub") as peer:
        peer.say(*label_messages(header_of(report, maps), maps.payload), Report(report))
        answers = [peer.read()["t"], peer.read()["t"]]
    assert answers == ["pong", "ack"]


# --- stopping ------------------------------------------------------------------------------------


class Slow(RunCounter):
    """Takes its time over each report."""

    def __init__(self) -> None:
        super().__init__(None, Ledger(None), RateLimitedLog(get_log()))
        self.in_hand = threading.Event()
        self.go_on = threading.Event()

    def all_delivered(
        self, reports: Mapping[str, Mapping[str, object]], revision: int = 1
    ) -> dict[str, bool]:
        """Wait until a test says so."""
        self.in_hand.set()
        assert self.go_on.wait(10)
        return super().all_delivered(reports, revision)


def test_closing_acknowledges_the_report_in_hand_first() -> None:
    settings, counter, report = pacs_settings(), Slow(), a_report()
    with serving(settings, counter) as server, hub_of(settings) as channel:
        channel.send(Report(report))
        assert counter.in_hand.wait(10)
        closing = threading.Thread(target=server.close)
        closing.start()
        closing.join(0.1)
        assert closing.is_alive()
        counter.go_on.set()
        assert answer(channel) == Ack((report.scan_id,))
        closing.join(10)
        with pytest.raises(PeerAway):
            answer(channel)


def test_closing_while_reports_wait_their_turn_is_quick_and_takes_none_of_them() -> None:
    settings, counter = pacs_settings(), Slow()
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(serving(settings, counter))
        channels = [stack.enter_context(hub_of(settings)) for _ in range(4)]
        channels[0].send(Report(a_report()))
        assert counter.in_hand.wait(10)
        for channel in channels[1:]:
            channel.send(Report(a_report()))
        closing = threading.Thread(target=server.close)
        closing.start()
        closing.join(0.1)
        began = time.monotonic()
        counter.go_on.set()
        closing.join(30)
        assert time.monotonic() - began < 3
        told = 0
        for channel in channels:
            with contextlib.suppress(PeerAway, ProtocolError):
                told += len(acked(answer(channel)))
        assert told == len(
            counter._known._revisions
        )  # what is taken is acknowledged, and nothing else


def test_closing_twice_is_fine() -> None:
    with serving(pacs_settings()) as server:
        server.close()
