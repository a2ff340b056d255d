"""A reader process as the process that asks it sees it."""

import math
import os
import subprocess
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from common.errors import SourceError
from common.formats.reading.budgets import START_WALL_S
from common.formats.reading.messages import (
    INLINE_MAX,
    Message,
    dtype_of,
    encode,
    error_of,
    read_message,
)
from common.formats.reading.shared_voxels import MappedBuffers

_EXIT_S = 30.0
_WRITE_TICK_S = 0.002
_READ_AHEAD = 1 << 16
_SIGNALS = {4: "SIGILL", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE", 11: "SIGSEGV"}
_SIGKILL, _SIGXCPU = 9, 24

_ENVIRONMENT = {"LANG": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""All that the child's environment has beside the path to its modules: no secret, no proxy."""


class ReaderFailed(SourceError):
    """The reader process died, hung or was killed while it read a file."""


class NotAsked(Exception):
    """The child ended before it came to this request, because of another one: ask another child."""


@dataclass(eq=False, slots=True)
class Question:
    """A request, and its answer when it has come."""

    request: Message
    cpu_s: float
    wall_s: float
    max_bytes: int = 0
    """The most voxels that the answer may have, bytes; 0: it has none."""
    sent: bool = False
    answer: Message | None = None
    voxels: npt.NDArray[Any] | None = None
    error: SourceError | NotAsked | None = None

    @property
    def answered(self) -> bool:
        """Whether an answer has come, or none will."""
        return self.answer is not None or self.error is not None


class ReaderProcess:
    """One child, started at once; any thread may ask. It answers in the order of the questions.

    Questions are sent ahead of the answers, so that the child need not wait for a thread to wake:
    that would take longer than a small file. The question that the child works on when it dies
    has failed (``ReaderFailed``); those behind it were not asked (``NotAsked``).

    Args:
        max_bytes: the largest volume that it will read.

    Attributes:
        pid: of the child.
        alive: whether it can be asked.
        confined: whether it filters its system calls; None before its first answer.

    Raises:
        ReaderFailed: it cannot be started.
    """

    def __init__(self, max_bytes: int) -> None:
        path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)  # noqa: PTH109
        try:
            self._child = subprocess.Popen(  # noqa: S603 - this program
                [sys.executable, "-s", "-m", "common.formats.reading.child", str(max_bytes)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # libraries write about files there
                bufsize=0,
                close_fds=True,
                env={**_ENVIRONMENT, "PYTHONPATH": path},
                start_new_session=True,  # Ctrl-C is for this process, which then ends the child
            )
        except OSError as error:
            raise ReaderFailed(
                f"the process that reads files cannot be started ({error.strerror}): free memory "
                "or processes, and send it again"
            ) from error
        self.pid = self._child.pid
        self.alive = True
        self.confined: bool | None = None
        self._input, self._output = _pipe(self._child.stdin), _pipe(self._child.stdout)
        os.set_blocking(self._input, False)
        # A thread that waits for a long answer must not keep others from asking. Whoever needs
        # both takes the one for reading first.
        self._reading, self._writing = threading.RLock(), threading.RLock()
        self._queue: deque[Question] = deque()
        self._lent = MappedBuffers(self.pid)
        self._deadline = 0.0
        self._ahead = b""
        self._waited_s = 0.0

    @property
    def load(self) -> int:
        """Questions that are not answered yet."""
        return len(self._queue)

    @property
    def ready(self) -> bool:
        """Whether it has started."""
        return self.confined is not None or bool(wait([self._output], 0))

    def take_waited_s(self) -> float:
        """Seconds that threads waited while it had several questions, since the last call."""
        waited, self._waited_s = self._waited_s, 0.0
        return waited

    def ask(self, question: Question) -> None:
        """Send a question, without waiting for its answer."""
        with self._writing:
            if not self.alive:
                question.error = NotAsked()
                return
            self._queue.append(question)
            with suppress(OSError):  # it has died: whoever waits for the answer finds out
                self._write(encode({**question.request, **self._lent.take_news()}))
                question.sent = True

    def wait_for(self, question: Question) -> None:
        """Wait until a question is answered."""
        while not question.answered:
            began, several = time.monotonic(), len(self._queue) > 1
            with self._reading:
                if not question.answered:
                    self._next_answer()
            self._waited_s += several * (time.monotonic() - began)

    def close(self) -> None:
        """Kill the child. Idempotent."""
        self._child.kill()
        with suppress(subprocess.TimeoutExpired):  # it ends when the disk that it waits for answers
            self._child.wait(_EXIT_S)
        with self._reading, self._writing:
            self.alive = False
            for stream in (self._child.stdin, self._child.stdout):
                if stream is not None:
                    stream.close()
            while self._queue:
                self._queue.popleft().error = NotAsked()

    def _next_answer(self) -> None:
        """Read the answer to the oldest question."""
        question = self._queue[0]
        try:
            if self.confined is None:
                self._deadline = time.monotonic() + START_WALL_S
                self.confined = bool(read_message(self._read)["confined"])
            # From now on, not from when it was asked: nobody may have looked for long.
            self._deadline = time.monotonic() + question.wall_s
            answer = read_message(self._read)
            if "error" in answer:
                question.error = error_of(answer)
            else:
                question.voxels = self._voxels(answer, question) if question.max_bytes else None
                question.answer = answer
            self._queue.popleft()
        except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
            failed = self._failed(question)
            failed.__cause__ = error
            # A child that was killed while it had nothing to do has failed no file.
            question.error = failed if question.sent or self.confined is None else NotAsked()
            self._queue.popleft()
            self.close()

    def _voxels(self, answer: Message, question: Question) -> npt.NDArray[Any]:
        dtype, shape = dtype_of(answer["dtype"]), [int(axis) for axis in answer["shape"]]
        size = dtype.itemsize * math.prod(shape)
        if min(shape) < 1 or size > question.max_bytes:
            raise ValueError("size")
        if "fd" in answer:
            data = self._lent.array(int(answer["fd"]), int(answer["serial"]), size)
        elif size <= INLINE_MAX:
            data = np.frombuffer(self._read(size), np.uint8)
        else:
            raise ValueError("size")
        return data.view(dtype).reshape(shape, order="F")

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._input, rest) :]
            except BlockingIOError:
                # Its pipe is full: it reads a long question, or it waits for us to read.
                time.sleep(_WRITE_TICK_S)
                if len(self._queue) > 1 and self._reading.acquire(blocking=False):
                    try:
                        self._next_answer()
                    finally:
                        self._reading.release()
                if not self.alive:
                    raise BrokenPipeError from None

    def _read(self, count: int) -> bytes | bytearray:
        """Read exactly ``count`` bytes.

        Raises:
            EOFError: the child has ended.
            TimeoutError: it took too long.
        """
        data, self._ahead = self._ahead[:count], self._ahead[count:]
        if len(data) == count:
            return data
        whole = bytearray(count)
        whole[: len(data)] = data
        rest = memoryview(whole)[len(data) :]
        while rest:
            if not wait([self._output], max(0.0, self._deadline - time.monotonic())):
                raise TimeoutError
            # More than was asked for: a short answer comes whole with its length.
            piece = os.read(self._output, max(len(rest), _READ_AHEAD))
            if not piece:
                raise EOFError
            taken = min(len(piece), len(rest))
            rest[:taken], self._ahead = piece[:taken], piece[taken:]
            rest = rest[taken:]
        return whole

    def _failed(self, question: Question) -> ReaderFailed:
        """What happened to the child, and what to do."""
        late = time.monotonic() >= self._deadline
        started = self.confined is not None
        if not late:
            try:  # it closed its output: as a rule it has ended on its own
                self._child.wait(_EXIT_S)
            except subprocess.TimeoutExpired:
                late = True
        if not started:
            return ReaderFailed(
                "the process that reads files does not start: check the installation and the free "
                "memory, and send it again"
            )
        if late:
            return ReaderFailed(
                f"reading it took longer than {question.wall_s:g} s: check the disk or network "
                "that it is on, and send it again"
            )
        number = -self._child.returncode
        if number == _SIGXCPU:
            return ReaderFailed(
                f"reading it took more than {question.cpu_s:g} s of processor time: the file is "
                "damaged; export it again"
            )
        if number == _SIGKILL:
            return ReaderFailed(
                "the process that read it was killed: free memory if the machine is short of it, "
                "and send it again"
            )
        how = _SIGNALS.get(number, "it ended early")
        return ReaderFailed(
            f"the process that read it crashed ({how}): the file is damaged, or has changed in the "
            "meantime; export it again"
        )


def _pipe(stream: IO[Any] | None) -> int:
    assert stream is not None  # noqa: S101 - both are pipes
    return stream.fileno()
