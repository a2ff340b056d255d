"""DICOM slices stacked into volumes: a series, its copies, and the volumes that each holds."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from common.domain.types import Affine
from common.errors import SourceError
from common.formats.dicom.geometry import check_alike, duplicates, ordered
from common.formats.dicom.pixels import decoded
from common.formats.dicom.slices import SPLITS, Geometry, Slice

_Instance = tuple[str, int | None, int | None, Geometry | None, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Stack:
    """Slices that make one volume, in order of their position."""

    label: str
    slices: tuple[Slice, ...]
    affine: Affine | None

    @property
    def path(self) -> Path:
        """The first file."""
        return self.slices[0].path

    @property
    def acquired_at(self) -> datetime | None:
        """When the first slice was acquired, UTC; none if no header says."""
        return min((at for piece in self.slices if (at := piece.acquired_at)), default=None)

    @property
    def subject(self) -> str | None:
        """Pseudonym of the patient; none if the headers have no id."""
        return self.slices[0].subject

    @property
    def declared_bytes(self) -> int:
        """Memory that the volume takes, as its headers declare it."""
        first = self.slices[0]
        itemsize = max(math.ceil(first.bits / 8), 4 * (not self._identity))
        return first.rows * first.columns * len(self.slices) * itemsize

    @property
    def _identity(self) -> bool:
        return all((piece.slope, piece.intercept) == (1.0, 0.0) for piece in self.slices)

    def read(self) -> tuple[npt.NDArray[Any], Affine | None]:
        """The voxels (column, row, slice) in Fortran order and the affine in mm, RAS+.

        Rescaled (``RescaleSlope``, ``RescaleIntercept``): in the stored type where that changes
        nothing; int16 or uint16 where the values stay whole and fit; else float32.
        MONOCHROME1 says how to show values, not what they are: it changes nothing here.

        Raises:
            SourceError: pixel data is absent, cut short or cannot be decoded.
        """
        stored = self._stored()
        return (stored if self._identity else self._rescaled(stored)), self.affine

    def _stored(self) -> npt.NDArray[Any]:
        places: dict[Path, list[int]] = {}
        for k, piece in enumerate(self.slices):
            places.setdefault(piece.path, []).append(k)
        first = self.slices[0]
        volume: npt.NDArray[Any] = np.empty(0)
        for path, indices in places.items():
            label = self.slices[indices[0]].label
            frames = decoded(path, label, [self.slices[k].frame or 0 for k in indices])
            for k, pixels in zip(indices, frames, strict=True):
                if pixels.shape != (first.rows, first.columns):
                    raise SourceError(f"{label} decodes to {pixels.shape}, not as its header says")
                if not volume.size:  # the type is known once a slice is decoded
                    shape = (first.columns, first.rows, len(self.slices))
                    volume = np.empty(shape, pixels.dtype.newbyteorder("<"), order="F")
                if pixels.dtype.newbyteorder("<") != volume.dtype:
                    raise SourceError(f"mixed pixel types: {label} differs from {first.label}")
                volume[:, :, k] = pixels.T
        return volume

    def _rescaled(self, stored: npt.NDArray[Any]) -> npt.NDArray[Any]:
        target = self._fitting(stored)
        # Where the size of a voxel stays, its memory is used again: CT, nearly always.
        same = stored.itemsize == target.itemsize
        out = stored.view(target) if same else np.empty(stored.shape, target, order="F")
        try:
            with np.errstate(over="raise", invalid="ignore"):
                for k, piece in enumerate(self.slices):
                    # Through a copy: ``out`` may be the same memory.
                    values = stored[:, :, k].astype(np.float64) * piece.slope
                    out[:, :, k] = values + piece.intercept
        except FloatingPointError as error:
            raise SourceError("rescaled values are too large for float32") from error
        return out

    def _fitting(self, stored: npt.NDArray[Any]) -> np.dtype[Any]:
        whole = stored.dtype.kind in "iu" and all(
            piece.slope.is_integer() and piece.intercept.is_integer() for piece in self.slices
        )
        if whole:
            ends = [
                float(end) * piece.slope + piece.intercept
                for k, piece in enumerate(self.slices)
                for end in (stored[:, :, k].min(), stored[:, :, k].max())
            ]
            for name in ("int16", "uint16"):
                limits = np.iinfo(name)
                if limits.min <= min(ends) and max(ends) <= limits.max:
                    return np.dtype(name).newbyteorder("<")
        return np.dtype("<f4")


def stacks(slices: Sequence[Slice], *, alone: bool) -> Iterator[tuple[str, Stack | SourceError]]:
    """The volumes in the slices of one series, each with its label; or why there is none.

    A series that was found several times (copied into two folders, or in several transfer
    syntaxes) is as many scans, the copies after the first one labelled ``copy 2`` and so on.

    Args:
        slices: of one series, in the order in which their files were found.
        alone: the user gave this one file. Only then may an image without geometry be sent, as
            one that is not in space: in a folder it is most likely a screen shot.
    """
    first = slices[0]
    if first.geometry is None and len(slices) == 1 and alone:
        yield first.label, Stack(first.label, (first,), None)
        return
    volumes: list[tuple[str, set[_Instance]]] = []
    most = 0
    for number, copy in enumerate(_copies(slices), 1):
        mark = f"copy {number}" if number > 1 else ""
        most = most or len(copy)  # the first copy has each slice that there is
        try:
            check_alike(copy)
            # By the first copy: in a part of another one, volumes that it mixes may not show.
            if not volumes:
                _check_complete(copy, most)
                volumes = [(told, set(map(_instance, each))) for told, each in _volumes(copy)]
        except SourceError as error:
            yield _label(copy[0], len(copy), mark), error
            continue
        yield from _stacked(copy, volumes, mark)


def _stacked(
    copy: Sequence[Slice], volumes: Sequence[tuple[str, set[_Instance]]], mark: str
) -> Iterator[tuple[str, Stack | SourceError]]:
    places = max(len(instances) for _, instances in volumes)
    for suffix, instances in volumes:
        if members := [piece for piece in copy if _instance(piece) in instances]:
            label = _label(copy[0], len(members), suffix, mark)
            try:
                pieces, affine = ordered(members)
                _check_complete(members, places)
                yield label, Stack(label, pieces, affine)
            except SourceError as error:
                yield label, error


def _instance(piece: Slice) -> _Instance:
    """What copies of a slice have in common. Not the UID alone: some exporters give it twice."""
    return piece.uid, piece.frame, piece.instance, piece.geometry, piece.splits


def _copies(slices: Sequence[Slice]) -> list[list[Slice]]:
    """The series, as often as it is there: the k-th copy of each file is in the k-th of these.

    Whole files are compared, so that no frame of one is put into another.
    """
    files: dict[Path, list[Slice]] = {}
    for piece in slices:
        files.setdefault(piece.path, []).append(piece)
    copies: list[list[Slice]] = []
    seen: Counter[tuple[_Instance, ...]] = Counter()
    for pieces in files.values():
        file = tuple(map(_instance, pieces))
        if seen[file] == len(copies):
            copies.append([])
        copies[seen[file]] += pieces
        seen[file] += 1
    return copies


def _label(first: Slice, count: int, *details: str) -> str:
    told = [detail for detail in details if detail]
    if count > 1:
        told.insert(0, f"series of {count} slices")
    return f"{first.label} ({', '.join(told)})" if told else first.label


def _check_complete(slices: Sequence[Slice], places: int) -> None:
    if len(slices) < places:
        raise SourceError(f"incomplete: {len(slices)} of {places} slices")


def _volumes(slices: Sequence[Slice]) -> list[tuple[str, list[Slice]]]:
    """The slices as volumes, each with what tells it from the others ('' if it is the only one).

    Raises:
        SourceError: several slices are at one place and no tag tells volumes apart.
    """
    doubled = duplicates(slices)
    if not doubled:
        return [("", list(slices))]
    for count in (1, 2):
        for chosen in combinations(range(len(SPLITS)), count):
            if volumes := _split(slices, chosen):
                return volumes
    one, two = doubled[0]
    more = f" and {len(doubled) - 1} more pairs" if len(doubled) > 1 else ""
    raise SourceError(
        f"two slices at one place: {_full(one)} and {_full(two)}{more}; "
        "remove copies, or send each volume from a folder of its own"
    )


def _full(piece: Slice) -> str:
    return piece.label if piece.name == piece.label else f"{piece.label} ({piece.name})"


def _split(
    slices: Sequence[Slice], chosen: tuple[int, ...]
) -> list[tuple[str, list[Slice]]] | None:
    """By the tags ``chosen``; none unless that gives volumes, most of them complete."""
    groups: dict[tuple[str, ...], list[Slice]] = {}
    for piece in slices:
        groups.setdefault(tuple(piece.splits[tag] for tag in chosen), []).append(piece)
    if len(groups) < 2 or any(duplicates(members) for members in groups.values()):
        return None
    places = len(slices) - len(duplicates(slices))
    if sum(len(members) == places for members in groups.values()) * 2 <= len(groups):
        return None
    values = [sorted({key[n] for key in groups}, key=_natural) for n in range(len(chosen))]
    return [
        (
            ", ".join(
                f"{SPLITS[tag]} {values[n].index(key[n]) + 1} of {len(values[n])}"
                for n, tag in enumerate(chosen)
            ),
            groups[key],
        )
        for key in sorted(groups, key=lambda key: [_natural(value) for value in key])
    ]


def _natural(value: str) -> tuple[float, str]:
    try:
        return float(value), ""
    except ValueError:
        return math.inf, value
