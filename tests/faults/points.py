"""Fail points: named places in a unit at which it kills or stops itself on demand.

They wrap methods of the units' objects, in processes that are started by ``tests.faults.unit``
only. A point is armed from outside, while the unit runs, by a file of its name in the unit's
folder: ``kill 3`` kills the unit when it gets there for the third time. Whoever takes the file
away fires, so that of several processes of a unit one does, once.
"""

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

POINTS: dict[str, tuple[str, ...]] = {
    "fr_hub": (
        "hub.stored",  # scans are committed, not acknowledged
        "hub.trail",  # an entry of the audit trail is made, not written
        "hub.chunks",  # some chunks of a large scan are stored
        "hub.uploaded",  # a large scan's blob is sealed, it is not acknowledged
        "hub.leased",  # reports are leased, not sent
        "hub.sent",  # reports are sent, their acknowledgement is not there
        "hub.answered",  # reports are acknowledged, not marked
        "hub.marked",  # reports are marked
    ),
    "fr_brain": (
        "brain.claimed",  # scans are claimed, nothing is begun
        "brain.reclaimed",  # a scan whose last claim has ended is claimed
        "brain.analysed",  # before the reports are written
        "brain.sent-back",  # a scan is sent back because of a new report, which is not 'Done'
        "brain.looked",  # all scans are sent back that must be, before 'Done'
        "brain.reported",  # after the reports are written, before 'Done'
        "brain.done",  # after 'Done'
    ),
    "fr_pacs": (
        "pacs.midframe",  # half of a write has gone
        "pacs.sent",  # scans have gone, nothing came back
        "pacs.acked",  # an acknowledgement came and is not noted
        "pacs.received",  # a report came and is not noted
        "pacs.noted",  # a report is noted, not acknowledged
    ),
    "fr_web": (
        "web.received",  # some bytes of a file are written to the disk
        "web.chunks",  # some chunks of a large scan are stored
        "web.stored",  # a scan is committed, neither sealed nor recorded
        "web.recorded",  # all is durable and recorded, it is not acknowledged
    ),
}


def arm(folder: Path, point: str, action: str, passes: int) -> None:
    """Have a unit ``kill`` or ``stop`` itself when it passes ``point`` for that time from now."""
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f".{point}"
    draft.write_text(f"{action} {passes}")
    draft.rename(folder / point)


def disarm(folder: Path, point: str) -> bool:
    """Take it back; False if it has fired."""
    try:
        (folder / point).unlink()
    except FileNotFoundError:
        return False
    return True


def fired(folder: Path, point: str) -> int | None:
    """The process that did it, if one has; asked once."""
    path = folder / f"{point}.fired"
    try:
        pid = int(path.read_text())
    except (FileNotFoundError, ValueError):
        return None
    path.unlink()
    return pid


def put(kind: Any, name: str, method: Any) -> None:
    """Put a method or function in the place of that of this name."""
    setattr(kind, name, method)


class Points:
    """The points of this process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._passes: dict[str, int] = {}
        self._lock = threading.Lock()

    def reach(self, point: str) -> None:
        """This is the point: die or stop here if it is armed."""
        path = self._folder / point
        try:
            action, passes = path.read_text().split()
        except FileNotFoundError:
            self._passes.pop(point, None)
            return
        with self._lock:
            self._passes[point] = self._passes.get(point, 0) + 1
            if self._passes[point] < int(passes):
                return
            try:
                path.unlink()
            except FileNotFoundError:  # another process of this unit was faster
                return
        draft = self._folder / f".{point}.fired"
        draft.write_text(str(os.getpid()))
        draft.rename(self._folder / f"{point}.fired")
        os.kill(os.getpid(), signal.SIGKILL if action == "kill" else signal.SIGSTOP)
        while action == "kill":
            time.sleep(1)  # not a step further

    def install(self, unit: str) -> None:
        """Put the points of this unit into its classes."""
        installers = {
            "fr_hub": self._in_hub,
            "fr_brain": self._in_brain,
            "fr_pacs": self._in_pacs,
            "fr_web": self._in_web,
        }
        installers[unit]()

    def _in_hub(self) -> None:
        from common.store.audit_log import AuditLog
        from common.store.outbox import Outbox
        from common.store.scans import Scans
        from common.store.uploads import Uploads
        from common.wire.async_connection import AsyncChannel
        from common.wire.messages import Forwarded

        self._after(Scans, "add", "hub.stored", bool)
        self._before(AuditLog, "add", "hub.trail")
        self._after(Uploads, "add_chunks", "hub.chunks")
        self._after(Uploads, "end", "hub.uploaded")
        self._after(Outbox, "lease", "hub.leased", bool)
        self._after(Outbox, "lease_named", "hub.leased", bool)
        self._before(Outbox, "mark_sent", "hub.answered")
        self._after(Outbox, "mark_sent", "hub.marked")
        send = AsyncChannel.send

        async def sending(channel: AsyncChannel, *messages: Any) -> None:
            await send(channel, *messages)
            if any(isinstance(message, Forwarded) for message in messages):
                self.reach("hub.sent")

        put(AsyncChannel, "send", sending)

    def _in_brain(self) -> None:
        from common.store.claims import Claims
        from common.store.sending_back import SendingBack
        from common.store.successors import Successors

        self._after(SendingBack, "schedule", "brain.sent-back", bool)
        self._after(Successors, "send_back", "brain.looked", bool)
        self._after(Claims, "claim", "brain.claimed", bool)
        self._after(Claims, "claim_named", "brain.claimed", bool)
        self._after(Claims, "claim_expired", "brain.reclaimed", bool)
        self._before(Claims, "complete", "brain.analysed")
        self._before(Claims, "_finish", "brain.reported")
        self._after(Claims, "complete", "brain.done")

    def _in_pacs(self) -> None:
        from common.wire.blocking_connection import Channel
        from common.wire.frames import encode
        from common.wire.messages import Chunk, Scan
        from fr_pacs.run_counts import RunCounter

        send = Channel.send

        def sending(channel: Channel, *messages: Any) -> None:
            scans = any(isinstance(message, Scan | Chunk) for message in messages)
            if scans and (self._folder / "pacs.midframe").exists():
                data = b"".join(map(encode, messages))
                channel._socket.sendall(data[: len(data) // 2])
                self.reach("pacs.midframe")
                channel._socket.sendall(data[len(data) // 2 :])
            else:
                send(channel, *messages)
            if scans:
                self.reach("pacs.sent")

        put(Channel, "send", sending)
        self._before(RunCounter, "acknowledged", "pacs.acked")
        self._before(RunCounter, "all_delivered", "pacs.received")
        self._after(RunCounter, "all_delivered", "pacs.noted", lambda new: any(new.values()))

    def _in_web(self) -> None:
        from common.store.scans import Scans
        from common.store.uploads import Uploads
        from fr_hub.web.uploads.reading import UploadReader
        from fr_hub.web.uploads.upload import Upload

        self._after(Upload, "write", "web.received")
        self._after(Uploads, "add_chunks", "web.chunks")
        self._after(Scans, "add", "web.stored", bool)
        self._after(UploadReader, "store", "web.recorded")

    def _before(self, kind: type, name: str, point: str) -> None:
        method = getattr(kind, name)

        def wrapper(*args: Any, **kwargs: Any) -> Any:
            self.reach(point)
            return method(*args, **kwargs)

        put(kind, name, wrapper)

    def _after(
        self, kind: type, name: str, point: str, when: Callable[[Any], bool] = lambda _: True
    ) -> None:
        method = getattr(kind, name)

        def wrapper(*args: Any, **kwargs: Any) -> Any:
            result = method(*args, **kwargs)
            if when(result):
                self.reach(point)
            return result

        put(kind, name, wrapper)
