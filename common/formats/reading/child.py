"""The reader process: answers requests to read files, and can do nothing else.

``python -m common.formats.reading.child MAX_BYTES``: requests come on standard input, answers go
to standard output (``messages``). It ends when its input ends.
"""

import os
import sys
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from common.errors import SourceError
from common.formats.reading.answers import Answerer
from common.formats.reading.confinement import confine, limit_cpu
from common.formats.reading.messages import (
    INLINE_MAX,
    Message,
    encode,
    error_message,
    read_message,
)
from common.formats.reading.shared_voxels import SharedBuffers


class _Output:
    """Writes answers; small arrays behind them, large ones into shared memory."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._small = np.empty(0, np.uint8)
        self.shared = SharedBuffers()

    def allocate(self, size: int) -> npt.NDArray[np.uint8]:
        """The buffer for the voxels of an answer."""
        if size > INLINE_MAX:
            return self.shared.allocate(size)
        self._small = np.empty(size, np.uint8)
        return self._small

    def send(self, message: Message, voxels: memoryview | None = None) -> None:
        self._stream.write(encode(message))
        if voxels is not None:
            self._stream.write(voxels)
        self._stream.flush()

    def send_voxels(self, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
        """Send what was written into the buffer, to which no array refers any more."""
        message: Message = {"dtype": dtype.str, "shape": shape}
        if self.shared.current is not None:
            lent = self.shared.lend()
            self.send({**message, "fd": lent.fd, "serial": lent.serial})
        else:
            size = int(np.prod(shape)) * dtype.itemsize
            self.send(message, self._small[:size].data)


def serve(requests: BinaryIO, answers: BinaryIO, answerer: Answerer) -> None:
    """Answer requests until the input ends."""
    output = _Output(answers)

    def read(count: int) -> bytes:
        data = requests.read(count)
        if len(data) < count:
            raise EOFError
        return data

    while True:
        try:
            request = read_message(read)
        except EOFError:
            return
        output.shared.heed(request["mapped"], request["returned"])
        _answer(request, output, answerer)


def _answer(request: Message, output: _Output, answerer: Answerer) -> None:
    try:
        if request["op"] != "voxels":
            answer = answerer.header if request["op"] == "header" else answerer.digests
            output.send(answer(request))
            return
        array = answerer.voxels(request, output.allocate)
        dtype, shape = array.dtype, array.shape
        del array
    except SourceError as error:
        output.send(error_message(error))
    except MemoryError:
        output.send(
            error_message(SourceError("not enough memory to read it: send a smaller image"))
        )
    except Exception as error:  # noqa: BLE001 - whatever a library raises for a damaged file
        reason = f"the file cannot be read ({type(error).__name__}): export it again"
        output.send(error_message(SourceError(reason)))
    else:
        output.send_voxels(dtype, shape)
    output.shared.discard()


def main() -> None:
    """Run the reader process."""
    answers = os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)  # libraries write about files there
    os.close(null)
    confined = confine(int(sys.argv[1]))
    answers.write(encode({"ready": True, "confined": confined}))
    answers.flush()
    serve(sys.stdin.buffer, answers, Answerer(limit_cpu))


if __name__ == "__main__":
    main()
