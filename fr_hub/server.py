"""Fr-HUB's server: receives scans, persists them, and only then acknowledges."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Executor

from bson import ObjectId

from common.audit.writer import AuditWriter
from common.domain.types import HUB_NAME
from common.errors import FrError, PeerAway, ProtocolError, Refusal, StoreError, UploadLost
from common.runtime.logger import AvailabilityLog, Log, RateLimitedLog
from common.settings.loading import HubSettings
from common.store.db_manager import DBManager
from common.store.documents import Added, NewScan
from common.wire.async_connection import AsyncChannel
from common.wire.constants import CHUNK_BYTES
from common.wire.messages import Ack, Busy, Chunk, Event, InvalidMessage, Message, Nack, Pong, Scan
from common.wire.scan_transfer import check_inline
from fr_hub.backpressure import Pressure
from fr_hub.committer import Committer, Outcome, Waiting, patiently
from fr_hub.memory_budget import ByteBudget
from fr_hub.upload import WRITE_BYTES, Upload

RETRY_AFTER_MS = 1000

ANSWERS_MORE = 1000
"""Answers of a connection that may wait to be sent, beyond its window."""


class ScanServer:
    """Handles the connections from Fr-PACS."""

    def __init__(
        self,
        settings: HubSettings,
        store: DBManager,
        executor: Executor,
        committer: Committer,
        availability: AvailabilityLog,
        audit: AuditWriter,
        pressure: Pressure,
        log: Log,
        seen: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._settings = settings
        self._seen = seen  # told the name of each Fr-PACS that connects
        self._audit = audit
        self._connections: Counter[str] = Counter()  # by name of the Fr-PACS
        self._known: Collection[str] = settings.hub_pacs
        self._parts = _Parts(
            settings,
            store,
            executor,
            committer,
            availability,
            audit,
            ByteBudget(settings.hub_memory_mib * 2**20),
            pressure,
            log,
        )
        self._log = log
        self._open: dict[asyncio.Task[None], _Conversation | None] = {}

    async def handle(self, channel: AsyncChannel) -> None:
        """Serve one connection until it ends."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - handlers run as tasks
        self._open[task] = None
        try:
            await self._serve(channel, task)
        except PeerAway as error:
            self._log.debug("connection ended", reason=str(error))
        except ProtocolError as error:
            # A crowd at the door must not fill the log.
            self._parts.limited_log.warning(
                "connection refused", code=error.code, reason=error.reason
            )
            self._audit.refused(channel.peer_address, error.code, error.reason)
            await channel.refuse(error)
        except StoreError as error:
            self._log.error("connection ended: the store failed", reason=str(error))
        finally:
            del self._open[task]

    async def _serve(self, channel: AsyncChannel, task: asyncio.Task[None]) -> None:
        hello = await channel.accept_hello(HUB_NAME)
        self._admit(hello.name)
        self._connections[hello.name] += 1
        try:
            self._log.info("Fr-PACS connected", pacs=hello.name)
            self._seen(hello.name)
            self._audit.connected(hello.name, "sends scans", address=channel.peer_address)
            conversation = self._open[task] = _Conversation(channel, hello.name, self._parts)
            await conversation.run()
        finally:
            self._connections[hello.name] -= 1

    def _admit(self, name: str) -> None:
        """Refuse who is unknown, or for whom there is no room."""
        if name not in self._known:
            raise ProtocolError(
                Refusal.UNKNOWN_PACS,
                f"no Fr-PACS of the name {name!r} is known here: "
                "add it to Fr-HUB's HUB_PACS, as name=host:port of its report server",
            )
        settings = self._settings
        for count, limit, whose in (
            (self._connections.total(), settings.hub_connections, ""),
            (self._connections[name], settings.hub_connections_each, f" of {name}"),
        ):
            if count >= limit:
                reason = f"{count} connections{whose} are open, the limit; try again later"
                raise ProtocolError(Refusal.LIMIT, reason, retry=True)

    def refused(self, error: FrError, address: str) -> None:
        """A connection ended before its first message: TLS failed."""
        self._parts.limited_log.warning("connection refused", reason=str(error), peer=address)
        if isinstance(error, ProtocolError):
            self._audit.refused(address, error.code, error.reason)

    async def close(self, drain_s: float) -> None:
        """Let what was received become durable and be acknowledged, for ``drain_s`` at most; then
        end the connections."""
        # Else a stream that does not end would hold this up for all of that time.
        self._parts.closing = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(drain_s):
                await self._parts.drained()
                for conversation in filter(None, list(self._open.values())):
                    await conversation.answered()
        tasks = list(self._open)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._parts.limited_log.flush()


class _Parts:
    """What all conversations share."""

    def __init__(
        self,
        settings: HubSettings,
        store: DBManager,
        executor: Executor,
        committer: Committer,
        availability: AvailabilityLog,
        audit: AuditWriter,
        budget: ByteBudget,
        pressure: Pressure,
        log: Log,
    ) -> None:
        self.settings = settings
        self.store = store
        self.executor = executor
        self.committer = committer
        self.availability = availability
        self.audit = audit
        self.budget = budget
        self.pressure = pressure
        self.log = log
        self.limited_log = RateLimitedLog(log)
        # What slow senders can hold, all connections together, is half of the memory.
        share = settings.hub_memory_mib * 2**20 // (2 * settings.hub_connections)
        self.write_bytes = max(CHUNK_BYTES, min(WRITE_BYTES, share))
        self.closing = False  # what comes now is for another hub, or for later
        self._in_flight = 0
        self._none_in_flight = asyncio.Event()
        self._none_in_flight.set()

    def received(self) -> None:
        self._in_flight += 1
        self._none_in_flight.clear()

    def settled(self, count: int) -> None:
        self.pressure.settled(count)
        self._in_flight -= count
        if not self._in_flight:
            self._none_in_flight.set()

    async def drained(self) -> None:
        await self._none_in_flight.wait()


class _Conversation:
    """One connection: reads scans, keeps a bounded window of them in flight, answers each."""

    def __init__(self, channel: AsyncChannel, pacs: str, parts: _Parts) -> None:
        self._channel = channel
        self._pacs = pacs
        self._parts = parts
        self._window = asyncio.Semaphore(parts.settings.hub_window)
        self._upload: Upload | None = None
        self._begun_s = 0.0  # of the time for which the peer was waited for, when it began
        self._refused: str | None = None  # its remaining chunks are passed over
        self._ended = False
        self._answers: asyncio.Queue[Message] = asyncio.Queue()
        # One object, so that the outcomes of a batch come in one call.
        self._settle_inline = self._settle

    async def run(self) -> None:
        await self._channel.welcome(self._parts.settings.hub_window)
        answering = asyncio.create_task(self._answer())
        try:
            while True:
                await self._take(await self._channel.receive())
                # In the middle of a scan not even a pause between two messages is the peer's own.
                self._channel.mid_transfer = self._upload is not None
                if self._answers.qsize() > self._parts.settings.hub_window + ANSWERS_MORE:
                    # A peer that sends what is refused and reads no answer: it is not listened to
                    # until it does, or is let go.
                    sent = asyncio.create_task(self._answers.join())
                    await asyncio.wait({sent, answering}, return_when=asyncio.FIRST_COMPLETED)
                    sent.cancel()
        finally:
            self._ended = True
            answering.cancel()
            await asyncio.gather(answering, return_exceptions=True)
            await self._drop_upload()

    async def answered(self) -> None:
        """Wait until each answer is sent."""
        await self._answers.join()

    async def _take(self, event: Event) -> None:
        match event:
            case Scan():
                await self._take_scan(event)
            case Chunk():
                await self._take_chunk(event)
            case InvalidMessage():
                await self._end_upload_unfinished()
                self._refused = event.id
                self._nack(event.id, event.code, event.reason)
            case _:
                raise ProtocolError(Refusal.UNEXPECTED, "a message out of place")

    async def _take_scan(self, message: Scan) -> None:
        await self._end_upload_unfinished()
        scan = message.scan
        self._refused = scan.scan_id
        limit = self._parts.settings.scan_limit_mib * 2**20
        if scan.pacs != self._pacs:
            reason = f"the scan says it comes from {scan.pacs!r}, the connection is {self._pacs!r}"
            self._nack(scan.scan_id, Refusal.HEADER, reason)
        elif scan.voxels_bytes > limit:
            reason = f"{scan.voxels_bytes} bytes of voxels, the limit is {limit} (SCAN_LIMIT_MIB)"
            self._nack(scan.scan_id, Refusal.TOO_LARGE, reason)
        elif self._parts.closing or not self._parts.pressure.admits():
            # Here, at the header: the voxels of a large one are passed over, none is stored.
            self._answers.put_nowait(Busy(scan.scan_id, self._parts.pressure.retry_after_ms))
        elif message.voxels is None:
            self._upload = self._begin_upload(message)
        else:
            await self._take_inline(message)

    async def _take_inline(self, message: Scan) -> None:
        try:
            check_inline(message)
        except ProtocolError as error:
            self._parts.pressure.withdrawn()
            self._nack(message.scan.scan_id, error.code, error.reason, retry=True)
            return
        size = message.scan.voxels_bytes
        # Mostly there is room, and then nothing that a wait could undo.
        if self._window.locked() or not self._parts.budget.try_take(size):
            with self._parts.pressure.unless_taken():
                await self._window.acquire()
                await self._parts.budget.take(size)
        else:
            await self._window.acquire()
        self._parts.received()
        voxels = bytes(message.voxels or b"")
        self._parts.committer.submit(
            Waiting(NewScan(message.scan, voxels=voxels), self._wanted, self._settle_inline)
        )

    def _wanted(self) -> bool:
        return not self._ended

    def _settle(self, results: Sequence[tuple[NewScan, Outcome]]) -> None:
        """Small scans are durable, or are not: answer them together."""
        stored = []
        for new, outcome in results:
            self._parts.budget.give(new.scan.voxels_bytes)
            self._window.release()
            if self._good(new, outcome):
                stored.append(new.scan.scan_id)
        if stored:
            self._acknowledge(stored)
        self._parts.settled(len(results))

    def _good(self, new: NewScan, outcome: Outcome) -> bool:
        scan_id = new.scan.scan_id
        match outcome:
            case Added.STORED | Added.KNOWN:
                return True
            case Added.CONFLICT:
                self._nack(scan_id, Refusal.CONFLICT, "this scan id is taken by other content")
            case StoreError():
                self._busy(scan_id, outcome)
        return False

    def _begin_upload(self, message: Scan) -> Upload:
        parts = self._parts
        self._begun_s = self._channel.waited_s
        parts.received()
        upload = Upload(
            message.scan,
            ObjectId(),
            parts.store,
            parts.executor,
            parts.availability,
            parts.budget,
            parts.write_bytes,
            message.packing,
        )
        upload.begin()
        return upload

    async def _take_chunk(self, chunk: Chunk) -> None:
        upload = self._upload
        if upload is None:
            if chunk.scan_id != self._refused:
                raise ProtocolError(Refusal.CHUNKS, "a chunk without its scan")
            return
        try:
            limit = self._parts.settings.scan_timeout_s
            if self._channel.waited_s - self._begun_s > limit:
                reason = f"the scan did not come whole within {limit:g} s (SCAN_TIMEOUT_S)"
                raise ProtocolError(Refusal.LIMIT, reason)  # noqa: TRY301 - handled as those of add
            if await upload.add(chunk):
                await self._finish_upload(upload)
        except ProtocolError as error:
            await self._drop_upload()
            self._nack(upload.scan.scan_id, error.code, error.reason, retry=True)
        except StoreError as error:
            await self._drop_upload()
            self._busy(upload.scan.scan_id, error)

    async def _finish_upload(self, upload: Upload) -> None:
        """All chunks are durable: now the scan itself, then the acknowledgement.

        From here on the blob may have its scan: only an outcome that says it has none lets it be
        deleted here; whatever else happens, a sweep finds out.
        """
        self._upload = None
        told: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

        def settle(results: Sequence[tuple[NewScan, Outcome]]) -> None:
            if not told.done():
                told.set_result(results[0][1])

        new = NewScan(upload.scan, blob=upload.blob, packing=upload.packing)
        self._parts.committer.submit(Waiting(new, self._wanted, settle))
        try:
            outcome = await told
            if outcome is Added.STORED:
                await self._seal(upload)
            elif self._good(new, outcome):
                self._acknowledge([new.scan.scan_id])
            if outcome is Added.KNOWN or outcome is Added.CONFLICT:
                await upload.abandon()
        finally:
            self._parts.settled(1)

    async def _seal(self, upload: Upload) -> None:
        parts, scan_id = self._parts, upload.scan.scan_id
        loop = asyncio.get_running_loop()
        try:
            async for attempt in patiently(parts.availability):
                with attempt:
                    await loop.run_in_executor(
                        parts.executor, parts.store.uploads.end, scan_id, upload.blob, self._pacs
                    )
        except UploadLost as error:
            self._busy(scan_id, error)
        else:
            await asyncio.wrap_future(parts.audit.flush())
            self._acknowledge([scan_id])

    async def _end_upload_unfinished(self) -> None:
        if self._upload is not None:
            scan_id = self._upload.scan.scan_id
            await self._drop_upload()
            reason = "the next scan began before its last chunk"
            self._nack(scan_id, Refusal.CHUNKS, reason, retry=True)

    async def _drop_upload(self) -> None:
        upload, self._upload = self._upload, None
        if upload is None:
            return
        self._parts.settled(1)
        try:
            await upload.abandon()
        except StoreError as error:  # a later sweep does it
            self._parts.log.debug("blob not deleted", reason=str(error))

    def _acknowledge(self, scan_ids: list[str]) -> None:
        self._parts.limited_log.debug_each("scan stored", scan_ids, pacs=self._pacs)
        self._answers.put_nowait(Ack(tuple(scan_ids)))

    def _nack(self, scan_id: str, code: Refusal, reason: str, *, retry: bool = False) -> None:
        self._parts.limited_log.warning(
            "scan refused", scan_id=scan_id, pacs=self._pacs, code=code, reason=reason
        )
        if code is not Refusal.CONFLICT:  # recorded with its batch
            self._parts.audit.refused(self._pacs, code, reason, [scan_id])
        self._answers.put_nowait(Nack(scan_id, code, reason, retry))

    def _busy(self, scan_id: str, reason: StoreError) -> None:
        self._parts.limited_log.warning("scan not stored", scan_id=scan_id, reason=str(reason))
        self._answers.put_nowait(Busy(scan_id, RETRY_AFTER_MS))

    async def _answer(self) -> None:
        """Send the answers, as many at a time as there are; and a sign of life where the store
        keeps them waiting, as then nobody here reads the peer's pings."""
        pause = self._parts.settings.idle_timeout_s / 3
        try:
            while True:
                answers: list[Message] = []
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        answers.append(await self._answers.get())
                while not self._answers.empty():
                    answers.append(self._answers.get_nowait())
                await self._channel.send(*(answers or [Pong()]))
                for _ in answers:
                    self._answers.task_done()
        except PeerAway:
            self._channel.abort()  # ends the reading
            raise
