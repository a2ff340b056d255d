"""One connection from a Fr-PACS: reads scans, keeps a window of them in flight, answers each.

A small scan arrives in one message and goes to the committer. A large one arrives in chunks: its
``Upload`` writes them as they come, and its header goes to the committer when all are durable.
"""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from common.domain.scan import BrainScan
from common.domain.scan_key import scan_key
from common.errors import FrError, PeerAway, ProtocolError, Refusal, StoreError, UploadLost
from common.runtime.logger import RateLimitedLog
from common.store.documents import Added, NewScan
from common.wire.async_connection import AsyncChannel
from common.wire.messages import (
    Ack,
    Busy,
    Chunk,
    Event,
    InvalidMessage,
    Message,
    Nack,
    Pong,
    ReportRequest,
    Scan,
)
from common.wire.scan_transfer import check_inline
from fr_hub.async_store import ScanOutcome, Unstorable
from fr_hub.backpressure import Backpressure
from fr_hub.committer import Committer, Submission
from fr_hub.context import HubContext
from fr_hub.upload import Upload

RETRY_AFTER_MS = 1000
"""When a sender should retry a scan that could not be stored."""

MAX_UNSENT_ANSWERS = 1000
"""Answers beyond the window that may wait to be sent on one connection."""


@dataclass(frozen=True, slots=True)
class SessionContext:
    """What the sessions of a hub share."""

    hub: HubContext
    committer: Committer
    backpressure: Backpressure
    write_bytes: int
    """The size of the batches in which an upload's chunks are written."""
    limited_log: RateLimitedLog


class Session:
    """One connection, from the welcome to its end.

    Args:
        channel: the connection, whose hello was accepted.
        pacs: the name of the Fr-PACS.
        shared: what all sessions share.
    """

    def __init__(self, channel: AsyncChannel, pacs: str, shared: SessionContext) -> None:
        self._channel = channel
        self._pacs = pacs
        self._shared = shared
        self._settings = shared.hub.settings
        self._window = asyncio.Semaphore(self._settings.hub_window)
        self._upload: Upload | None = None
        self._upload_waited_s = 0.0  # ``channel.waited_s`` when the upload began
        self._discarded_id: str | None = None  # chunks of this scan are discarded
        self._ended = False
        self._answers: asyncio.Queue[Message] = asyncio.Queue()
        # One bound method, so that the committer groups the outcomes of a batch in one call.
        self._on_outcome = self._answer_outcomes

    async def run(self) -> None:
        """Serve the connection until it ends.

        Raises:
            PeerAway: the connection is lost.
            ProtocolError: the peer broke the rules; it must still be told.
            StoreError: the audit trail cannot be written any more.
        """
        await self._channel.welcome(self._settings.hub_window)
        answering = asyncio.create_task(self._send_answers())
        try:
            while True:
                event = await self._channel.receive()
                await self._receive(event)
                # In the middle of a scan the peer owes the rest, however its bytes are spaced.
                self._channel.mid_transfer = self._upload is not None
                unsent = self._answers.qsize()
                is_long = isinstance(event, ReportRequest)  # its answer has as many ids
                if is_long or unsent > self._settings.hub_window + MAX_UNSENT_ANSWERS:
                    # The peer sends scans that are refused, or requests, and reads no answers.
                    # Receive nothing until it has read them, or its connection times out.
                    sent = asyncio.create_task(self._answers.join())
                    await asyncio.wait({sent, answering}, return_when=asyncio.FIRST_COMPLETED)
                    sent.cancel()
        finally:
            self._ended = True
            answering.cancel()
            await asyncio.gather(answering, return_exceptions=True)
            await self._drop_upload()

    async def wait_answered(self) -> None:
        """Wait until all queued answers are sent."""
        await self._answers.join()

    async def _receive(self, event: Event) -> None:
        match event:
            case Scan():
                with self._refused_if_it_fails(event.scan.scan_id):
                    await self._receive_scan(event)
            case Chunk():
                with self._refused_if_it_fails(event.scan_id):
                    await self._receive_chunk(event)
            case ReportRequest(ids):
                await self._shared.hub.store.request_reports(
                    [scan_key(scan_id, self._pacs) for scan_id in ids], self._pacs
                )
                self._answers.put_nowait(Ack(ids))
            case InvalidMessage():
                await self._refuse_unfinished_upload()
                self._discarded_id = event.id
                self._refuse(event.id, event.code, event.reason, valid_id=False)
            case _:
                raise ProtocolError(
                    Refusal.UNEXPECTED, "unexpected message: send scans, chunks and requests only"
                )

    @contextlib.contextmanager
    def _refused_if_it_fails(self, scan_id: str) -> Iterator[None]:
        """An error that nobody expects refuses this scan, and the connection goes on."""
        try:
            yield
        except FrError:
            raise
        except Exception as error:  # noqa: BLE001 - one scan must not end what others depend on
            self._refuse_unstorable(scan_id, Unstorable(error))

    async def _receive_scan(self, message: Scan) -> None:
        await self._refuse_unfinished_upload()
        scan = message.scan
        self._discarded_id = scan.scan_id
        limit = self._settings.scan_limit_mib * 2**20
        if scan.pacs != self._pacs:
            reason = (
                f"the scan names a Fr-PACS other than {self._pacs}, which sent it: send it from "
                "its own Fr-PACS"
            )
            self._refuse(scan.scan_id, Refusal.HEADER, reason)
        elif scan.voxels_bytes > limit:
            reason = (
                f"{scan.voxels_bytes} bytes of voxels, {limit} allowed: raise Fr-HUB's "
                "SCAN_LIMIT_MIB or send a smaller scan"
            )
            self._refuse(scan.scan_id, Refusal.TOO_LARGE, reason)
        elif message.voxels is None and await self._is_known(scan):
            return
        elif not self._shared.backpressure.admit(self._pacs, scan.priority):
            # Answered at the header: the chunks of a large scan are discarded, none is stored.
            retry_after_ms = self._shared.backpressure.retry_after_ms(self._pacs)
            self._answers.put_nowait(Busy(scan.scan_id, retry_after_ms))
        elif message.voxels is None:
            self._begin_upload(message)
        else:
            await self._submit_inline(message)

    # --- small scans ---------------------------------------------------------------------------

    async def _submit_inline(self, message: Scan) -> None:
        shared = self._shared
        try:
            check_inline(message)
        except ProtocolError as error:
            shared.backpressure.withdrawn(self._pacs)
            self._refuse(message.scan.scan_id, error.code, error.reason, retry=True)
            return
        except Exception:
            shared.backpressure.withdrawn(self._pacs)
            raise
        size = message.scan.voxels_bytes
        # Usually nothing has to be waited for, and then nothing can be cancelled either.
        if self._window.locked() or not shared.hub.memory_budget.try_take(size, self._pacs):
            with shared.backpressure.withdrawn_on_error(self._pacs):
                await self._window.acquire()
                await shared.hub.memory_budget.take(size, self._pacs)
        else:
            await self._window.acquire()
        new = NewScan(message.scan, voxels=bytes(message.voxels or b""))
        shared.committer.submit(Submission(new, self._is_open, self._on_outcome))

    def _is_open(self) -> bool:
        return not self._ended

    def _answer_outcomes(self, outcomes: Sequence[tuple[NewScan, ScanOutcome]]) -> None:
        """Answer the small scans of a batch together."""
        stored, known = [], []
        for new, outcome in outcomes:
            self._shared.hub.memory_budget.release(new.scan.voxels_bytes, self._pacs)
            self._window.release()
            if self._is_stored(new, outcome):
                stored.append(new.scan.scan_id)
                if outcome is Added.KNOWN:
                    known.append(new.scan.scan_id)
        if stored:
            self._acknowledge(stored, known)
        self._shared.backpressure.released(self._pacs, len(outcomes))

    def _is_stored(self, new: NewScan, outcome: ScanOutcome) -> bool:
        """Whether the scan may be acknowledged; if not, answers that."""
        scan_id = new.scan.scan_id
        match outcome:
            case Added.STORED | Added.KNOWN:
                return True
            case Added.CONFLICT:
                reason = (
                    "another scan with this id is stored: send changed content under a new scan id"
                )
                self._refuse(scan_id, Refusal.CONFLICT, reason)
            case Added.ERASED:
                reason = (
                    "this scan was erased on request, and the same image is not stored again: "
                    "remove the file from SOURCE, and its report files from REPORTS"
                )
                self._refuse(scan_id, Refusal.ERASED, reason)
            case Added.PURGED:
                reason = (
                    "this scan was analysed, its report was delivered, and retention has removed "
                    "both since: look for the report where that run wrote it (REPORTS); the same "
                    "image is not analysed again"
                )
                self._refuse(scan_id, Refusal.PURGED, reason)
            case Unstorable():
                self._refuse_unstorable(scan_id, outcome)
            case StoreError():
                self._answer_busy(scan_id, outcome)
        return False

    def _refuse_unstorable(self, scan_id: str, error: Unstorable) -> None:
        self._shared.hub.log.error(
            "scan not stored", scan_id=scan_id, pacs=self._pacs, reason=str(error)
        )
        self._refuse(scan_id, Refusal.UNAVAILABLE, f"{error}: see its log")

    # --- large scans ---------------------------------------------------------------------------

    async def _is_known(self, scan: BrainScan) -> bool:
        """Answer a scan that is stored already: its chunks, which follow, are discarded."""
        outcome: ScanOutcome | None
        try:
            outcome = await self._shared.hub.store.known(scan)
        except StoreError as error:
            outcome = error
        if outcome is None:
            return False
        if self._is_stored(NewScan(scan), outcome):
            self._acknowledge([scan.scan_id], [scan.scan_id])
        return True

    def _begin_upload(self, message: Scan) -> None:
        shared = self._shared
        self._upload_waited_s = self._channel.waited_s
        self._upload = Upload(
            message.scan,
            message.packing,
            shared.hub.store,
            shared.hub.memory_budget,
            shared.write_bytes,
        )
        self._upload.begin()

    async def _receive_chunk(self, chunk: Chunk) -> None:
        upload = self._upload
        if upload is None:
            if chunk.scan_id != self._discarded_id:
                raise ProtocolError(
                    Refusal.CHUNKS, "a chunk without its scan: send the scan's header first"
                )
            return
        scan_id = upload.scan.scan_id
        try:
            self._check_upload_time()
            if await upload.add(chunk):
                await self._finish_upload(upload)
        except ProtocolError as error:
            await self._drop_upload()
            self._refuse(scan_id, error.code, error.reason, retry=True)
        except StoreError as error:
            await self._drop_upload()
            self._answer_busy(scan_id, error)
        except Exception:
            await self._drop_upload()
            raise

    def _check_upload_time(self) -> None:
        # Only time spent waiting for the peer counts.
        limit = self._settings.scan_timeout_s
        if self._channel.waited_s - self._upload_waited_s > limit:
            raise ProtocolError(
                Refusal.LIMIT,
                f"the scan did not arrive within {limit:g} s: send it faster, or raise Fr-HUB's "
                "SCAN_TIMEOUT_S",
            )

    async def _finish_upload(self, upload: Upload) -> None:
        """Store and acknowledge a scan whose chunks are all durable.

        From here on the scan may be stored and refer to the blob. So the blob is deleted here only
        if the outcome says that this scan does not refer to it; in all other cases a sweep decides.
        """
        self._upload = None
        known: asyncio.Future[ScanOutcome] = asyncio.get_running_loop().create_future()

        def on_outcome(outcomes: Sequence[tuple[NewScan, ScanOutcome]]) -> None:
            if not known.done():
                known.set_result(outcomes[0][1])

        new = NewScan(upload.scan, blob=upload.blob, packing=upload.packing)
        self._shared.committer.submit(Submission(new, self._is_open, on_outcome))
        try:
            outcome = await known
            if outcome is Added.STORED:
                await self._seal(upload)
            elif self._is_stored(new, outcome):
                self._acknowledge([new.scan.scan_id], [new.scan.scan_id])
            if outcome in (Added.KNOWN, Added.CONFLICT, Added.ERASED, Added.PURGED):
                await upload.abandon()
        finally:
            self._shared.backpressure.released(self._pacs)

    async def _seal(self, upload: Upload) -> None:
        scan_id = upload.scan.scan_id
        try:
            await self._shared.hub.store.end_upload(upload.scan.key, upload.blob, self._pacs)
        except UploadLost as error:
            self._answer_busy(scan_id, error)
        else:
            self._acknowledge([scan_id])

    async def _refuse_unfinished_upload(self) -> None:
        if self._upload is not None:
            scan_id = self._upload.scan.scan_id
            await self._drop_upload()
            reason = "another message came before the scan's last chunk: send the scan again"
            self._refuse(scan_id, Refusal.CHUNKS, reason, retry=True)

    async def _drop_upload(self) -> None:
        upload, self._upload = self._upload, None
        if upload is None:
            return
        self._shared.backpressure.released(self._pacs)
        try:
            await upload.abandon()
        except Exception as error:  # noqa: BLE001 - a later sweep deletes it
            reason = str(error) if isinstance(error, FrError) else type(error).__name__
            self._shared.hub.log.debug("chunks not deleted yet", reason=reason)

    # --- answers -------------------------------------------------------------------------------

    def _acknowledge(self, scan_ids: Sequence[str], known: Sequence[str] = ()) -> None:
        """Acknowledge scans; ``known`` are those of them that were stored before."""
        self._shared.limited_log.debug_each("scan stored", scan_ids, pacs=self._pacs)
        self._answers.put_nowait(Ack(tuple(scan_ids), tuple(known)))

    def _refuse(
        self,
        scan_id: str,
        code: Refusal,
        reason: str,
        *,
        retry: bool = False,
        valid_id: bool = True,
    ) -> None:
        # The id of a header that was not understood may be anything, such as a patient's name: only
        # its sender is told.
        named = {"scan_id": scan_id} if valid_id else {}
        self._shared.limited_log.warning(
            "scan refused", **named, pacs=self._pacs, code=code, reason=reason
        )
        # The others the store has recorded with their batch.
        if code not in (Refusal.CONFLICT, Refusal.ERASED, Refusal.PURGED):
            ids = [scan_key(scan_id, self._pacs)] if valid_id else []
            self._shared.hub.audit.refused(self._pacs, code, reason, ids)
        self._answers.put_nowait(Nack(scan_id, code, reason, retry))

    def _answer_busy(self, scan_id: str, reason: StoreError) -> None:
        self._shared.limited_log.warning(
            "scan not stored, its sender will retry", scan_id=scan_id, reason=str(reason)
        )
        self._answers.put_nowait(Busy(scan_id, RETRY_AFTER_MS))

    async def _send_answers(self) -> None:
        """Send answers, as many at once as are queued.

        While there are none, send a sign of life from time to time: a session that waits for the
        store does not read, and so does not answer, the peer's pings.
        """
        pause_s = self._settings.idle_timeout_s / 3
        try:
            while True:
                answers: list[Message] = []
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause_s):
                        answers.append(await self._answers.get())
                while not self._answers.empty():
                    answers.append(self._answers.get_nowait())
                await self._channel.send(*(answers or [Pong()]))
                for _ in answers:
                    self._answers.task_done()
        except PeerAway:
            self._channel.abort()  # ends ``run``, which is receiving
            raise
