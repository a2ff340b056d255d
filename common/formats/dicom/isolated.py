"""GDCM in a process of its own: a damaged JPEG stream makes it end whatever process it runs in.

The child (``dicom_gdcm``) takes a line of JSON for each file, [path, frames], and answers with
another, [type, shape] and the bytes of an array behind it, or [reason]. It ends with this process,
whose end closes its input.
"""

import atexit
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

_GOODBYE_S = 2.0

_FILE_S = 60.0
"""The longest that the frames asked for of one file may take: a damaged one may have no end."""


class NotDecoded(Exception):
    """Why; ``dicom_pixels`` says of which file."""


class _Decoder:
    """The child, started when first needed and again after it was ended by a file."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        # A file at a time: one that ends the child takes no other along.
        self._lock = threading.Lock()

    def frames(self, path: Path, frames: list[int]) -> npt.NDArray[Any]:
        with self._lock:
            child = self._child = self._child or _start()
            limit_s, late = _FILE_S, threading.Event()

            def end() -> None:
                late.set()
                child.kill()  # which ends the reading of its answer

            timer = threading.Timer(limit_s, end)
            timer.daemon = True
            timer.start()
            broken = False
            try:
                return _ask(child, path, frames)
            except (EOFError, OSError) as error:
                broken = True
                why = f"took longer than {limit_s:g} s" if late.is_set() else "broke down"
                raise NotDecoded(f"the decoder {why} on it") from error
            finally:
                timer.cancel()
                timer.join()  # from here on it kills nothing
                if broken or late.is_set():
                    self._end()

    def close(self) -> None:
        with self._lock:
            self._end()

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.wait(_GOODBYE_S)
            for pipe in (child.stdin, child.stdout):
                if pipe is not None:
                    pipe.raw.close()  # type: ignore[attr-defined]


def _start() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "common.formats.dicom.gdcm_child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # what GDCM says of a file
        start_new_session=True,  # Ctrl-C is for Fr-PACS, which ends it
    )


def _ask(child: subprocess.Popen[bytes], path: Path, frames: list[int]) -> npt.NDArray[Any]:
    to, back = child.stdin, child.stdout
    if to is None or back is None:
        raise EOFError
    to.write(json.dumps([str(path.absolute()), frames]).encode() + b"\n")
    to.flush()
    answer = back.readline()
    if not answer.endswith(b"\n"):
        raise EOFError
    first, *rest = json.loads(answer)
    if not rest:
        raise NotDecoded(first)
    array: npt.NDArray[Any] = np.empty(rest[0], np.dtype(first))
    if back.readinto(array.reshape(-1).view(np.uint8).data) != array.nbytes:  # type: ignore[attr-defined]
        raise EOFError
    return array


_decoder = _Decoder()
atexit.register(_decoder.close)


def decoded_apart(path: Path, frames: list[int]) -> npt.NDArray[Any]:
    """The stored values of these frames (frame, row, column).

    Raises:
        NotDecoded: they cannot be decoded.
    """
    return _decoder.frames(path, frames)
