"""Fr-PACS' server: receives brain reports, writes, logs and acknowledges them."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from common.domain.report import BrainReport
from common.domain.types import HUB_NAME
from common.errors import PeerAway, ProtocolError, Refusal
from common.runtime.logger import Log, RateLimitedLog
from common.settings.pacs import PacsSettings
from common.wire.blocking_connection import Channel
from common.wire.blocking_server import BlockingServer
from common.wire.connection_policy import ConnectionPolicy
from common.wire.messages import (
    Ack,
    Event,
    Failed,
    InvalidMessage,
    Message,
    Nack,
    Pong,
    Report,
)
from common.wire.protocol import Side
from fr_pacs.label_maps import ArrivingMaps
from fr_pacs.report_files import NO_MAPS, Maps
from fr_pacs.report_folder import ReportFolder
from fr_pacs.report_intake import WINDOW, ReportIntake
from fr_pacs.run_counts import RunCounter
from fr_pacs.sources.base import AccountsForFiles

PONG_S = 5.0
"""While a report with large label maps is written, Fr-HUB hears this often that this unit is there,
seconds."""


class ReportServer:
    """Listens for connections of Fr-HUB. A report is acknowledged once it is on disk (REPORTS) and
    in the ledger.

    Raises:
        AlreadyRunning: the port is in use.
        SettingsError: this machine does not have the address, or REPORTS cannot be written or has
            an ``index.csv`` of something else.
    """

    def __init__(
        self,
        settings: PacsSettings,
        counter: RunCounter,
        log: Log,
        policy: ConnectionPolicy,
    ) -> None:
        self._name = settings.pacs_name
        self._counter = counter
        self._limited_log = RateLimitedLog(log)
        self._answering = threading.Lock()
        self._closing = False
        self._folder: ReportFolder | None = None
        self._maps_folder = settings.reports if settings.label_maps else None
        if settings.reports is not None:
            self._folder = ReportFolder(settings.reports, log, settings.pacs_name)
            counter.account_to(self._folder.account)
        self._listener = BlockingServer(
            (settings.pacs_host, settings.pacs_port),
            Side.REPORT_RECEIVER,
            settings.frame_limit_kib * 1024,
            settings.idle_timeout_s,
            self._handle,
            policy=policy,
        )
        log.info("listening for reports", host=settings.pacs_host, port=self._listener.port)

    def begin(self, source: object) -> None:
        """Before the first scan is sent: REPORTS' index accounts for each file of the source."""
        if self._folder is not None and isinstance(source, AccountsForFiles):
            self._folder.begin(source)

    def _handle(self, channel: Channel) -> None:
        try:
            hello = channel.welcome(self._name, WINDOW, HUB_NAME)
            self._limited_log.info("Fr-HUB connected", hub=hello.name)
            with contextlib.closing(ReportIntake(channel, self._maps_folder)) as intake:
                while True:
                    arrived = intake.receive()
                    with self._answering:
                        if self._closing:  # Fr-HUB sends what is not acknowledged again
                            return
                        self._answer(channel, arrived.events, arrived.maps)
                    intake.close()
        except PeerAway as error:
            self._limited_log.debug("connection ended", reason=str(error))
        except ProtocolError as error:
            channel.refuse(error)
            self._limited_log.warning("connection refused", code=error.code, reason=error.reason)

    def _answer(
        self, channel: Channel, events: Sequence[Event], arrived: ArrivingMaps | None = None
    ) -> None:
        """Accept these reports, with one acknowledgement for all of them.

        Args:
            channel: their connection.
            events: the messages.
            arrived: the label maps of the report, if it is the only message.
        """
        maps = NO_MAPS if arrived is None else arrived.files(_keep_alive(channel))
        accepted: list[str] = []
        answers: list[Message] = []
        for together in _together(events):
            accepted_now, refused = self._accept(together, maps)
            accepted += accepted_now
            answers += refused
        if accepted:
            answers.append(Ack(tuple(accepted)))
        for answer in answers:
            if isinstance(answer, Nack):
                self._limited_log.warning("report refused", scan_id=answer.id, reason=answer.reason)
        if answers:
            channel.send(*answers)

    def _accept(self, events: Sequence[Event], maps: Maps) -> tuple[list[str], list[Nack]]:
        """The scans that these messages are about, if they are accepted; else why not."""
        accepted: list[str] = []
        refused: list[Nack] = []
        written: list[BrainReport] = []
        for event in events:
            if isinstance(event, InvalidMessage):
                refused.append(Nack(event.id, event.code, event.reason, retry=False))
            if not isinstance(event, Report | Failed):
                continue
            scan_id = event.scan_id if isinstance(event, Failed) else event.report.scan_id
            try:
                if isinstance(event, Failed):
                    self._accept_failed(event)
                elif self._write(event.report, event.picture, maps):
                    written.append(event.report)
                else:
                    self._ignore(event.report)
            except ProtocolError as error:
                refused.append(_nack(scan_id, error))
            else:
                accepted.append(scan_id)
        try:
            self._count(written)
        except ProtocolError as error:
            gone = {report.scan_id for report in written}
            for scan_id in gone:
                self._counter.not_written(scan_id, error.reason)
            refused += [_nack(scan_id, error) for scan_id in accepted if scan_id in gone]
            accepted = [scan_id for scan_id in accepted if scan_id not in gone]
        return accepted, refused

    def _write(self, report: BrainReport, picture: bytes | None, maps: Maps) -> bool:
        """Write a report's files, if there is a folder for them; False: a later revision is there,
        and nobody awaits this one."""
        if report.pacs != self._name:
            reason = f"the report is for {report.pacs!r}, and this is {self._name!r} (PACS_NAME)"
            raise ProtocolError(Refusal.HEADER, reason)
        if self._folder is None:
            return True
        try:
            is_latest = self._folder.write(report, picture, self._counter.origins_of, maps)
        except OSError as error:
            reason = f"the report cannot be written: {error.strerror}"
            self._counter.not_written(report.scan_id, reason)
            raise ProtocolError(Refusal.UNAVAILABLE, reason, retry=True) from error
        # After the same image went to a Fr-HUB with a new database, its first report is awaited
        # although the folder has a later one.
        return is_latest or bool(self._counter.awaited([report.scan_id]))

    def _count(self, reports: Sequence[BrainReport]) -> None:
        if not reports:
            return
        found = {report.scan_id: _findings(report) for report in reports}
        with _unavailable_if_not_written():
            new = self._counter.all_delivered(found, reports[0].revision)
        for report in reports:
            if not new[report.scan_id]:
                self._ignore(report)

    def _accept_failed(self, message: Failed) -> None:
        with _unavailable_if_not_written():
            self._counter.failed_for_good(message.scan_id, message.cause)

    def _ignore(self, report: BrainReport) -> None:
        self._limited_log.debug(
            "known or older report ignored",
            scan_id=report.scan_id,
            revision=report.revision,
        )

    def stop_listening(self) -> None:
        """Acknowledge the reports that are being written, then take no more. Idempotent."""
        with self._answering:
            self._closing = True
        # Without the lock: this joins threads that wait for it.
        self._listener.close()

    def close(self) -> None:
        """Stop listening, and write what is left of REPORTS' index: nothing is noted in it later.
        Idempotent."""
        self.stop_listening()
        if self._folder is not None:
            self._folder.close()
        self._limited_log.flush()


def _together(events: Iterable[Event]) -> Iterator[list[Event]]:
    """The messages in their order, in groups of which each has one message about a scan at most and
    reports of one revision."""
    group: list[Event] = []
    scans: set[str] = set()
    revision: int | None = None
    for event in events:
        scan_id, of = None, revision
        if isinstance(event, Report):
            scan_id, of = event.report.scan_id, event.report.revision
        elif isinstance(event, Failed):
            scan_id = event.scan_id
        if scan_id in scans or revision not in (None, of):
            yield group
            group, scans = [], set()
        group.append(event)
        revision = of
        if scan_id is not None:
            scans.add(scan_id)
    if group:
        yield group


def _nack(scan_id: str, error: ProtocolError) -> Nack:
    return Nack(scan_id, error.code, error.reason, error.retry)


def _findings(report: BrainReport) -> dict[str, object]:
    """What the log says of a report."""
    lesions = report.findings.lesions
    return {
        "verdict": str(report.findings.quality.verdict),
        "lesions": None if lesions is None else lesions.count,
    }


def _keep_alive(channel: Channel) -> Callable[[], None]:
    """Tells Fr-HUB from time to time that this unit is there, whenever it is called."""
    told_at = time.monotonic()

    def tell() -> None:
        nonlocal told_at
        if time.monotonic() - told_at > PONG_S:
            told_at = time.monotonic()
            with contextlib.suppress(PeerAway):  # what is being written is written all the same
                channel.send(Pong())

    return tell


@contextlib.contextmanager
def _unavailable_if_not_written() -> Iterator[None]:
    """Fr-HUB keeps what the ledger cannot take, as on a full disk, and sends it again."""
    try:
        yield
    except OSError as error:
        reason = f"the ledger cannot be written: {error.strerror}"
        raise ProtocolError(Refusal.UNAVAILABLE, reason, retry=True) from error
