"""Volumes out of the slices of one DICOM series: its copies, and the volumes mixed in each."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path

from common.errors import SourceError
from common.formats.dicom.geometry import check_consistent, coincident_pairs, sort_by_position
from common.formats.dicom.slices import VOLUME_TAGS, Geometry, Slice
from common.formats.dicom.stack import Stack

_Instance = tuple[str, int | None, int | None, Geometry | None, tuple[str, ...]]


def stack_series(
    slices: Sequence[Slice], *, single_file: bool
) -> Iterator[tuple[str, Stack | SourceError]]:
    """Stack the slices of one series into volumes.

    A series that was found several times (copied into two folders, or in several transfer
    syntaxes) gives as many scans; copies after the first are labelled ``copy 2`` and so on. A
    series that mixes volumes (echoes, time points, …) is split by VOLUME_TAGS.

    Args:
        slices: of one series, in the order in which their files were found.
        single_file: the user named this one file. Only then may an image without geometry become
            a scan (without an affine): in a folder it is most likely a screenshot.

    Yields:
        The label of each volume, and the volume or why it cannot become a scan.
    """
    first = slices[0]
    if first.geometry is None and len(slices) == 1 and single_file:
        yield first.label, Stack(first.label, (first,), None)
        return
    volumes: list[tuple[str, set[_Instance]]] = []
    most = 0
    for number, copy in enumerate(_copies(slices), 1):
        mark = f"copy {number}" if number > 1 else ""
        most = most or len(copy)  # the first copy has every slice that was found
        try:
            check_consistent(copy)
            # Split by the first copy: another copy may be incomplete and not show its volumes.
            if not volumes:
                _check_complete(copy, most)
                volumes = [(name, set(map(_instance, each))) for name, each in _volumes(copy)]
        except SourceError as error:
            yield _label(copy[0], len(copy), mark), error
            continue
        yield from _stacked(copy, volumes, mark)


def _stacked(
    copy: Sequence[Slice], volumes: Sequence[tuple[str, set[_Instance]]], mark: str
) -> Iterator[tuple[str, Stack | SourceError]]:
    places = max(len(instances) for _, instances in volumes)
    for suffix, instances in volumes:
        if members := [plane for plane in copy if _instance(plane) in instances]:
            label = _label(copy[0], len(members), suffix, mark)
            try:
                planes, affine = sort_by_position(members)
                _check_complete(members, places)
                yield label, Stack(label, planes, affine)
            except SourceError as error:
                yield label, error


def _instance(plane: Slice) -> _Instance:
    """What copies of a slice share; not the UID alone, which some exporters give to many slices."""
    return plane.uid, plane.frame, plane.instance, plane.geometry, plane.volume_keys


def _copies(slices: Sequence[Slice]) -> list[list[Slice]]:
    """The copies of a series: the k-th list has the k-th copy of each file.

    Whole files are compared, so frames of different files are never mixed.
    """
    files: dict[Path, list[Slice]] = {}
    for plane in slices:
        files.setdefault(plane.path, []).append(plane)
    copies: list[list[Slice]] = []
    seen: Counter[tuple[_Instance, ...]] = Counter()
    for planes in files.values():
        file = tuple(map(_instance, planes))
        if seen[file] == len(copies):
            copies.append([])
        copies[seen[file]] += planes
        seen[file] += 1
    return copies


def _label(first: Slice, count: int, *details: str) -> str:
    parts = [detail for detail in details if detail]
    if count > 1:
        parts.insert(0, f"series of {count} slices")
    return f"{first.label} ({', '.join(parts)})" if parts else first.label


def _check_complete(slices: Sequence[Slice], places: int) -> None:
    if len(slices) < places:
        raise SourceError(
            f"incomplete: {len(slices)} of {places} slices; export the whole series again"
        )


def _volumes(slices: Sequence[Slice]) -> list[tuple[str, list[Slice]]]:
    """The volumes, each with what distinguishes it from the others ('' if it is the only one).

    Raises:
        SourceError: several slices have one position and no tag distinguishes volumes.
    """
    doubled = coincident_pairs(slices)
    if not doubled:
        return [("", list(slices))]
    for count in (1, 2):
        for chosen in combinations(range(len(VOLUME_TAGS)), count):
            if volumes := _split(slices, chosen):
                return volumes
    one, two = doubled[0]
    more = f" and {len(doubled) - 1} more pairs" if len(doubled) > 1 else ""
    raise SourceError(
        f"two slices at one position: {_full(one)} and {_full(two)}{more}; "
        "remove copies, or export each volume as a series"
    )


def _full(plane: Slice) -> str:
    return plane.label if plane.name == plane.label else f"{plane.label} ({plane.name})"


def _split(
    slices: Sequence[Slice], chosen: tuple[int, ...]
) -> list[tuple[str, list[Slice]]] | None:
    """Split by the tags ``chosen``; None unless that gives volumes, most of them complete."""
    groups: dict[tuple[str, ...], list[Slice]] = {}
    for plane in slices:
        groups.setdefault(tuple(plane.volume_keys[tag] for tag in chosen), []).append(plane)
    if len(groups) < 2 or any(coincident_pairs(members) for members in groups.values()):
        return None
    places = len(slices) - len(coincident_pairs(slices))
    if sum(len(members) == places for members in groups.values()) * 2 <= len(groups):
        return None
    values = [sorted({key[n] for key in groups}, key=_natural) for n in range(len(chosen))]
    return [
        (
            ", ".join(
                f"{VOLUME_TAGS[tag]} {values[n].index(key[n]) + 1} of {len(values[n])}"
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
