"""GDCM in a child process, because a damaged JPEG stream crashes the process that GDCM runs in.

The child (``gdcm_worker``) has the protocol in its docstring. It ends when this process ends and
closes its input.
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

_EXIT_S = 2.0

_FILE_S = 60.0
"""The longest that decoding one file may take: a damaged stream may have no end."""


class DecodingFailed(Exception):
    """The reason; ``pixel_data`` adds the file."""


class _Decoder:
    """The child, started when it is first needed, and again after a file has crashed it."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        # One file at a time: a file that crashes the child takes no other file with it.
        self._lock = threading.Lock()

    def decode(self, path: Path, frames: list[int]) -> npt.NDArray[Any]:
        with self._lock:
            child = self._child = self._child or _start()
            limit_s, late = _FILE_S, threading.Event()

            def kill() -> None:
                late.set()
                child.kill()  # which ends the reading of its answer

            timer = threading.Timer(limit_s, kill)
            timer.daemon = True
            timer.start()
            broken = False
            try:
                return _ask(child, path, frames)
            except (EOFError, OSError) as error:
                broken = True
                why = f"took longer than {limit_s:g} s" if late.is_set() else "crashed"
                raise DecodingFailed(f"the decoder {why}") from error
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
            child.wait(_EXIT_S)
            for pipe in (child.stdin, child.stdout):
                if pipe is not None:
                    pipe.raw.close()  # type: ignore[attr-defined]


def _start() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "common.formats.dicom.gdcm_worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # GDCM writes about the file there
        start_new_session=True,  # Ctrl-C is for this process, which then ends the child
    )


def _ask(child: subprocess.Popen[bytes], path: Path, frames: list[int]) -> npt.NDArray[Any]:
    requests, answers = child.stdin, child.stdout
    if requests is None or answers is None:
        raise EOFError
    requests.write(json.dumps([str(path.absolute()), frames]).encode() + b"\n")
    requests.flush()
    answer = answers.readline()
    if not answer.endswith(b"\n"):
        raise EOFError
    first, *rest = json.loads(answer)
    if not rest:
        raise DecodingFailed(first)
    array: npt.NDArray[Any] = np.empty(rest[0], np.dtype(first))
    count = answers.readinto(array.reshape(-1).view(np.uint8).data)  # type: ignore[attr-defined]
    if count != array.nbytes:
        raise EOFError
    return array


_decoder = _Decoder()
atexit.register(_decoder.close)


def decode_in_child(path: Path, frames: list[int]) -> npt.NDArray[Any]:
    """Decode frames of a file in the child process.

    Args:
        path: the file.
        frames: indices from 0.

    Returns:
        Stored values (frame, row, column).

    Raises:
        DecodingFailed: the frames cannot be decoded, the child crashed, or it took too long.
    """
    return _decoder.decode(path, frames)
