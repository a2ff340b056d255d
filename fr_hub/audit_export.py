"""Sends the audit trail to a syslog server elsewhere, as audit messages of DICOM (PS3.15 A.5, A.6).

Each event of each unit is sent once or more, none is left out. The trail is what waits while the
server is unreachable, so nothing is kept in memory or in files. What was sent counts as sent once
the server has read the connection to its end (``common.wire.syslog``); until then it is sent again.
Of several Fr-HUBs, one sends, and another takes over when that one ends.
"""

import contextlib
import platform
import secrets
import threading
from collections.abc import Iterator

from common.domain.audit_chain import whole_seq
from common.domain.audit_codes import outcome_of
from common.domain.audit_message import is_exported, messages, time_of
from common.domain.types import Document, utc_now
from common.errors import FrError
from common.runtime.logger import AvailabilityLog, Log
from common.settings.hub import HubSettings
from common.store.audit_exports import AuditExports, Unsent
from common.store.damage import UNDECODABLE
from common.wire.syslog import SyslogServer, SyslogStream, frame, syslog_context

EVERY_S = 10.0
"""How often it is looked for events that were not sent, and for the server if it was not there."""

LEASE_S = 60.0

ENTRIES_PER_CONNECTION = 2000
"""Entries after which a connection is ended and what it carried counts as sent."""

_TIMEOUT_S = 20.0
_CLOSE_S = 2.0


class AuditExport:
    """A thread that sends what was not sent.

    Args:
        exports: finds and notes it.
        server: where they go.
        log: for the server's availability.
        every_s: how often it looks, seconds.
    """

    def __init__(
        self,
        exports: AuditExports,
        server: SyslogServer,
        log: Log,
        every_s: float = EVERY_S,
    ) -> None:
        self._exports = exports
        self._server = server
        self._log = log
        self._every_s = every_s
        self._host = platform.node()
        self._holder = f"{self._host}-{secrets.token_hex(6)}"
        self._availability = AvailabilityLog(log, "the syslog server of the audit trail")
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="audit export", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop, without waiting long for a server that does not answer. Idempotent."""
        self._closing.set()
        self._thread.join(_CLOSE_S)
        with contextlib.suppress(FrError):  # the lease ends without this, later
            self._exports.release(self._holder)

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                if self._exports.lease(self._holder, LEASE_S):
                    self._send_all()
                    self._availability.available()
            except FrError as error:
                if not self._closing.is_set():
                    self._availability.unavailable(error)
            except Exception as error:  # noqa: BLE001 - one document must not end it
                # The text of an unexpected error may quote what is stored.
                if not self._closing.is_set():
                    self._log.warning("the audit trail was not sent", error=type(error).__name__)
            self._closing.wait(self._every_s)

    def _send_all(self) -> None:
        with contextlib.closing(_Batch(self._server, self._host)) as batch:
            for unsent in self._exports.unsent():
                for entry in self._exports.entries(unsent):
                    if self._closing.is_set():
                        return
                    batch.add(unsent, entry)
                    if batch.entries >= ENTRIES_PER_CONNECTION:
                        self._finish(batch)
            self._finish(batch)

    def _finish(self, batch: "_Batch") -> None:
        self._exports.note(batch.finish())
        self._exports.lease(self._holder, LEASE_S)


class _Batch:
    """What one connection carries; connects with the first entry."""

    def __init__(self, server: SyslogServer, host: str) -> None:
        self._server = server
        self._host = host
        self._stream: SyslogStream | None = None
        self._sent: dict[str, int] = {}
        self.entries = 0

    def add(self, unsent: Unsent, entry: Document) -> None:
        """Send the events of an entry."""
        if self._stream is None:
            self._stream = self._server.connect(_TIMEOUT_S)
        seq = whole_seq(entry["_id"]["seq"])
        self._stream.send(b"".join(_frames(entry, unsent.writer, seq, self._host)))
        self._sent[unsent.writer] = seq
        self.entries += 1

    def finish(self) -> dict[str, int]:
        """End the connection; returns up to which ``seq`` the server has read each chain."""
        if self._stream is not None:
            self._stream.finish()
        sent, self._sent = self._sent, {}
        self._stream, self.entries = None, 0
        return sent

    def close(self) -> None:
        """Close the connection, if it is open."""
        if self._stream is not None:
            self._stream.close()


def _frames(entry: Document, writer: str, seq: int, host: str) -> Iterator[bytes]:
    events = entry.get("events")
    if UNDECODABLE in entry or not isinstance(events, list):
        events = ["damaged"]
    for one in events:
        event = one if isinstance(one, dict) else {"kind": "damaged entry", "at": utc_now()}
        if is_exported(event):
            for xml in messages(event, writer, seq, host):
                yield frame(xml, time_of(event), outcome_of(event), host)


@contextlib.contextmanager
def exporting(settings: HubSettings, exports: AuditExports, log: Log) -> Iterator[None]:
    """Send the audit trail during the block, if the settings name a server.

    Raises:
        SettingsError: a certificate or a key cannot be read.
    """
    if settings.audit_syslog is None:
        yield
        return
    context = syslog_context(
        settings.audit_syslog_ca, settings.audit_syslog_cert, settings.audit_syslog_key
    )
    server = SyslogServer(settings.audit_syslog, context)
    with contextlib.closing(AuditExport(exports, server, log)):
        yield
