"""Reads files of images in processes that can do nothing else, for whoever has files to read.

What strangers made is parsed and decoded in a child: with limits of memory, processor time and
wall time, without network, keys or secrets. A child that dies, hangs or is killed fails its one
file; the next file gets a fresh one. ``README.md`` in this folder has the limits.
"""

import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy.typing as npt

from common.domain.affine import Affine
from common.errors import SourceError
from common.formats.archives import on_disk
from common.formats.dicom.pseudonyms import patient_token, pseudonym
from common.formats.dicom.slices import Slice
from common.formats.ecg.recording import EcgFile
from common.formats.nifti.volumes import NiftiVolume, volumes_of
from common.formats.reading.budgets import cpu_s, frames_in, frames_of, wall_s
from common.formats.reading.messages import (
    attributes_in,
    encode_path,
    layout_of,
    members_of,
    slice_of,
)
from common.formats.reading.process import NotAsked, Question, ReaderProcess
from common.formats.reading.questions import (
    Image,
    affine_of,
    files_and_slices,
    shape_of,
    voxels_question,
)
from common.formats.reading.recordings import recording_of

_T = TypeVar("_T")

DEFAULT_MAX_BYTES = 2 << 30
"""Of one volume in memory, 2 GiB: several times the largest clinical ones."""

_WAITED_S = 0.5
"""Seconds that threads have waited for a child before another is started, which costs as much."""

_DIGESTS_ASKED = 64
"""Slices that are compared with one request, so that one that breaks the reader costs few."""

_HEADERS_AHEAD = 16
"""Headers that are asked for before the first of them is waited for."""


@dataclass(frozen=True, slots=True)
class ArchiveFound:
    """An archive of files."""

    members: list[tuple[str, int]]
    """Name and size in bytes of each, in the order of their numbers."""


class Reader:
    """A pool of reader processes. Any thread may ask.

    The first child starts with the first request. Others start when threads have waited for as
    long as a start takes while there was more to do: small files need one child.

    Args:
        max_bytes: the largest volume that is read; the memory of a child is this and 256 MiB.
        processes: the most children; the default is one for each processor.
        start: starts a child that reads volumes of up to so many bytes.
    """

    def __init__(
        self,
        max_bytes: int = DEFAULT_MAX_BYTES,
        processes: int | None = None,
        start: Callable[[int], ReaderProcess] = ReaderProcess,
    ) -> None:
        self._pool = _Pool(lambda: start(max_bytes), processes or os.cpu_count() or 1)
        self.close = weakref.finalize(self, self._pool.close)

    def start(self) -> None:
        """Start the first child without waiting: it will be ready sooner.

        Raises:
            ReaderFailed: it cannot be started.
        """
        self._pool.start()

    def discover(
        self,
        files: Iterable[tuple[Path, str]],
        key: bytes,
        id_key: bytes | None = None,
        *,
        alone: bool = False,
    ) -> "Iterator[list[NiftiVolume] | list[Slice] | list[EcgFile] | ArchiveFound | SourceError]":
        """Read the headers of files.

        Args:
            files: their paths, and the labels that name them to their user.
            key: 32 bytes, the key of the pseudonyms; it stays in this process.
            id_key: 32 bytes, the key of the ids of scans, likewise; None: ``key``.
            alone: the user named the file itself, so that also a greyscale picture is wanted.

        Yields:
            For each file, in order, the volumes (NIfTI), slices (DICOM) or ECG in it, the members
            of an archive, each of which can be asked for in turn (``member_path``), or why it
            cannot become a scan: ``NotAScan`` if it is none, ``UnreadKind``, ``ReaderFailed`` if
            the child died or took too long, else another ``SourceError``.
        """
        waiting: deque[tuple[Path, str, _Ticket | SourceError]] = deque()
        for path, label in files:
            waiting.append((path, label, self._ask_header(path, alone)))
            if len(waiting) > _HEADERS_AHEAD:
                yield self._found(*waiting.popleft(), key, id_key or key)
        while waiting:
            yield self._found(*waiting.popleft(), key, id_key or key)

    def prefetch(self, volume: Image) -> "Prefetched":
        """Ask for the voxels of a volume that ``read`` will soon be called for."""
        return Prefetched(volume, self._pool.ask(voxels_question(volume)))

    def read(
        self, volume: Image, prefetched: "Prefetched | None" = None
    ) -> tuple[npt.NDArray[Any], Affine | None]:
        """Read the voxels of a volume.

        Args:
            volume: what to read.
            prefetched: the answer of ``prefetch`` for this volume.

        Returns:
            Voxels (i, j, k), or (samples, leads) of an ECG, in Fortran order, little-endian,
            perhaps read-only; and the affine that maps their indices to mm, RAS+, or None.

        Raises:
            SourceError: they cannot be read, or the file changed.
            ReaderFailed: the child died or took too long.
        """
        ticket = prefetched.ticket if prefetched else self._pool.ask(voxels_question(volume))
        array = self._pool.result(ticket).voxels
        if array is None or array.shape != shape_of(volume):
            raise SourceError("its voxels are not what its header declares: export it again")
        return array, affine_of(volume)

    def digests(self, slices: Sequence[Slice]) -> list[str | None]:
        """A digest of the pixels of each slice: equal ones have equal pixels. None where they
        cannot be read."""
        asked = []
        for start in range(0, len(slices), _DIGESTS_ASKED):
            some = slices[start : start + _DIGESTS_ASKED]
            frames = frames_of(len(some), sum(one.rows * one.columns * 8 for one in some))
            request = {"op": "digests", "frames": frames, **files_and_slices(some)}
            asked.append((some, self._pool.ask(Question(request, cpu_s(frames), wall_s(frames)))))
        found: list[str | None] = []
        for some, ticket in asked:
            try:
                answer = self._pool.result(ticket).answer or {}
                digests = [None if one is None else str(one) for one in answer["digests"]]
                found += digests if len(digests) == len(some) else [None] * len(some)
            except (SourceError, KeyError, TypeError):
                found += [None] * len(some)
        return found

    @property
    def pids(self) -> list[int]:
        """The children that are running."""
        return self._pool.pids

    @property
    def confined(self) -> bool:
        """Whether each child that has answered filters its system calls (see ``README.md``)."""
        return self._pool.confined

    def _ask_header(self, path: Path, alone: bool) -> "_Ticket | SourceError":
        request = {"op": "header", "path": encode_path(path), "alone": alone}
        try:
            wall = wall_s(frames_in(on_disk(path).stat().st_size))
            return self._pool.ask(Question(request, cpu_s(0), wall))
        except OSError as error:
            return SourceError(f"cannot be read: {error.strerror}")
        except SourceError as error:
            return error

    def _found(
        self, path: Path, label: str, ticket: "_Ticket | SourceError", key: bytes, id_key: bytes
    ) -> "list[NiftiVolume] | list[Slice] | list[EcgFile] | ArchiveFound | SourceError":
        try:
            if isinstance(ticket, SourceError):
                raise ticket
            answer = self._pool.result(ticket).answer or {}
            if "members" in answer:
                return ArchiveFound(members_of(answer))
            if "recording" in answer:
                recording, file_format = recording_of(answer["recording"]), str(answer["format"])
                stamp = (int(answer["stamp"][0]), int(answer["stamp"][1]))
                patient = recording.patient
                tokens = pseudonym(patient, key), patient_token(patient, id_key)
                return [EcgFile(label, path, recording, file_format, stamp, *tokens)]
            if "layout" in answer:
                size, mtime_ns = map(int, answer["stamp"])
                return volumes_of(layout_of(answer["layout"]), (size, mtime_ns), path, label)
            about = (
                pseudonym(answer["patient"], key),
                patient_token(answer["patient"], id_key),
                attributes_in(answer["attributes"]),
            )
            return [slice_of(plane, path, label, *about) for plane in answer["slices"]]
        except SourceError as error:
            return error
        except (ValueError, TypeError, KeyError, OverflowError, AttributeError):
            return SourceError("its header is not valid: export the image again")


@dataclass(eq=False, slots=True)
class _Ticket:
    """A question, and the child that it was put to."""

    question: Question
    process: ReaderProcess


@dataclass(frozen=True, slots=True)
class Prefetched:
    """Voxels that a child may have read by now."""

    volume: Image
    ticket: _Ticket


class _Pool:
    """Children, and which of them to ask."""

    def __init__(self, start: Callable[[], ReaderProcess], most: int) -> None:
        self._start, self._most = start, most
        self._lock = threading.Lock()
        self._all: list[ReaderProcess] = []
        self._starting: ReaderProcess | None = None
        self._unconfined = False
        self._waited = 0.0

    @property
    def pids(self) -> list[int]:
        with self._lock:
            return [process.pid for process in self._all if process.alive]

    @property
    def confined(self) -> bool:
        return not self._unconfined

    def start(self) -> None:
        with self._lock:
            if not self._all:
                self._all.append(self._start())

    def ask(self, question: Question) -> _Ticket:
        """Put a question to the child that has least to do, without waiting for the answer."""
        with self._lock:
            process = self._least_busy()
        process.ask(question)
        return _Ticket(question, process)

    def result(self, ticket: _Ticket) -> Question:
        """The answered question.

        Raises:
            SourceError: the file cannot be read.
        """
        while True:
            ticket.process.wait_for(ticket.question)
            question = ticket.question
            if not isinstance(question.error, NotAsked):
                break
            again = Question(question.request, question.cpu_s, question.wall_s, question.max_bytes)
            ticket = self.ask(again)
        if ticket.process.confined is False:
            self._unconfined = True
        if question.error is not None:
            raise question.error
        return question

    def close(self) -> None:
        with self._lock:
            if self._starting is not None:
                self._all.append(self._starting)
            for process in self._all:
                process.close()
            self._all.clear()
            self._starting = None

    def _least_busy(self) -> ReaderProcess:
        self._all = [process for process in self._all if process.alive]
        self._waited += sum(process.take_waited_s() for process in self._all)
        if self._starting is not None and self._starting.ready:
            self._all.append(self._starting)
            self._starting = None
        if not self._all:
            self._all.append(self._start() if self._starting is None else self._starting)
            self._starting = None
        room = self._starting is None and len(self._all) < self._most
        if room and self._waited >= _WAITED_S:
            self._starting, self._waited = self._start(), 0.0
        return min(self._all, key=lambda process: process.load)
