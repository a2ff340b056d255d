"""Volumes of one grid: slices that differ in contrast, and slices that return to a place."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

from common.errors import SourceError
from common.formats.dicom.geometry import coincident_pairs
from common.formats.dicom.slices import CONTRAST_TAGS, VOLUME_TAGS, Slice

_CONTRAST = range(len(CONTRAST_TAGS))
_TIME = range(len(CONTRAST_TAGS), len(VOLUME_TAGS))
_OCCURRENCE = "occurrence"
_ALTERNATING_MAX = 4
_TURNS = 3
"""Up to 4 repetition times that follow each other in turn, 3 times at least, are contrasts."""


@dataclass(frozen=True, slots=True)
class Part:
    """Slices that nothing tells apart but their places, and what tells them from others."""

    details: tuple[str, ...]
    """Such as ``'EchoTime 1 of 2'``; empty if there are no others."""
    slices: list[Slice]


def by_contrast(slices: Sequence[Slice]) -> list[Part]:
    """The slices of each contrast, in the order of their echo times, b-values and so on."""
    count = len({(plane.uid, plane.frame, plane.instance) for plane in slices})
    varying = []
    for tag in _CONTRAST:
        values = {plane.volume_keys[tag] for plane in slices}
        # What has another value for nearly each slice is a property of slices, not of volumes.
        if len(values) > 1 and not (len(values) > 3 and count < 2 * len(values)):
            varying.append(tag)
    groups = _groups(slices, varying)
    return _parts(groups, varying)


def by_time(slices: Sequence[Slice]) -> list[Part]:
    """The volumes of one contrast, which return to the same places.

    Tags of time and number split them if that gives whole volumes, most of them; else the n-th
    slice of a place, by instance number, is of the n-th volume.

    Raises:
        SourceError: slices have one position and nothing tells volumes apart.
    """
    if slices[0].tiles > 1:
        return _by_mosaic(slices)
    doubled = coincident_pairs(slices)
    if not doubled:
        return _alternating(slices) or _interleaved(slices) or [Part((), list(slices))]
    places = len(slices) - len(doubled)
    if places > 1 or _one_place_in_time(slices):
        varying = [tag for tag in _TIME if len({plane.volume_keys[tag] for plane in slices}) > 1]
        for count in (1, 2):
            for chosen in combinations(varying, count):
                groups = _groups(slices, chosen)
                if _are_volumes(list(groups.values()), places):
                    return _parts(groups, chosen)
        if (volumes := _by_occurrence(slices, places)) is not None:
            of = len(volumes)
            return [
                Part((f"{_OCCURRENCE} {n} of {of}",), members)
                for n, members in enumerate(volumes, 1)
            ]
    one, two = doubled[0]
    more = f" (so do {len(doubled) - 1} more pairs)" if len(doubled) > 1 else ""
    raise SourceError(
        f"slices {_full(one)} and {_full(two)} have the same position{more}, and nothing tells "
        "their volumes apart; export each volume as its own series"
    )


def _alternating(slices: Sequence[Slice]) -> list[Part] | None:
    """Contrasts that alternate slice by slice, as the repetition time says; None if there is one.
    Within a volume it may change from slice to slice, as with the heartbeat, but not in turn,
    unless SpacingBetweenSlices says that all lie side by side: they were acquired in passes."""
    spacing = slices[0].claims.spacing
    if spacing and _has_step(slices, spacing):
        return None
    tag = VOLUME_TAGS.index("RepetitionTime")
    ordered = sorted(slices, key=lambda plane: plane.geometry.distance if plane.geometry else 0)
    values = [plane.volume_keys[tag] for plane in ordered]
    count = len(set(values))
    if not 1 < count <= _ALTERNATING_MAX or len(values) < _TURNS * count:
        return None
    if any(one != two for one, two in zip(values, values[count:], strict=False)):
        return None
    return _parts(_groups(slices, [tag]), [tag])


def _interleaved(slices: Sequence[Slice]) -> list[Part] | None:
    """Volumes whose slices lie between each other's, as an element of time or number says and
    SpacingBetweenSlices confirms; None if there is one volume."""
    spacings = {plane.claims.spacing for plane in slices}
    spacing = spacings.pop()
    if spacings or not spacing or not _has_step(slices, spacing, below=True):
        return None
    for tag in _TIME:
        groups = _groups(slices, [tag])
        if len(groups) > 1 and all(_has_step(members, spacing) for members in groups.values()):
            return _parts(groups, [tag])
    return None


def _has_step(slices: Sequence[Slice], spacing: float, *, below: bool = False) -> bool:
    """Whether slices are so far apart, mm; or ``below``: half as far at most."""
    along = sorted(plane.geometry.distance for plane in slices if plane.geometry)
    steps = [two - one for one, two in pairwise(along)]
    if len(steps) < 2:
        return False
    if below:
        return max(steps) < 0.55 * spacing
    return all(abs(step - spacing) < 0.05 * spacing for step in steps)


def _by_mosaic(slices: Sequence[Slice]) -> list[Part]:
    """Each mosaic is a volume, wherever its tiles lie."""
    mosaics: dict[object, list[Slice]] = {}
    for plane in slices:
        mosaics.setdefault(plane.path, []).append(plane)
    if len(mosaics) == 1:
        return [Part((), list(slices))]
    for tag in _TIME:
        groups = _groups(slices, [tag])
        if len(groups) == len(mosaics) and all(
            len({plane.path for plane in members}) == 1 for members in groups.values()
        ):
            return _parts(groups, [tag])
    ordered = sorted(mosaics.values(), key=lambda tiles: tiles[0].instance or 0)
    return [Part((f"mosaic {n} of {len(ordered)}",), tiles) for n, tiles in enumerate(ordered, 1)]


def _one_place_in_time(slices: Sequence[Slice]) -> bool:
    """Whether slices at one place can be one slice again and again, not a volume whose positions
    were lost."""
    at = {plane.geometry.position for plane in slices if plane.geometry}
    locations = {plane.claims.location for plane in slices}
    times = {plane.volume_keys[VOLUME_TAGS.index("TemporalPositionIdentifier")] for plane in slices}
    return (
        len(at) == len(locations) == 1
        and any(mm for position in at for mm in position)
        and len(times) == len(slices)
    )


def _groups(slices: Sequence[Slice], chosen: Sequence[int]) -> dict[tuple[str, ...], list[Slice]]:
    groups: dict[tuple[str, ...], list[Slice]] = {}
    for plane in slices:
        groups.setdefault(tuple(plane.volume_keys[tag] for tag in chosen), []).append(plane)
    return groups


def _are_volumes(groups: Sequence[list[Slice]], places: int) -> bool:
    """Whether the groups are volumes, most of them complete."""
    if len(groups) < 2 or sum(len(members) == places for members in groups) * 2 <= len(groups):
        return False
    return not any(coincident_pairs(members) for members in groups)


def _by_occurrence(slices: Sequence[Slice], places: int) -> list[list[Slice]] | None:
    """Volumes by instance number; None if the numbers are not there or say nothing."""
    numbers = Counter(
        (plane.instance, plane.frame, plane.path if plane.frame else "") for plane in slices
    )
    if any(plane.instance is None for plane in slices) or max(numbers.values()) > 1:
        return None
    ordered = sorted(slices, key=lambda plane: (plane.instance or 0, plane.frame or 0))
    place_of = _places(slices)
    visits = Counter(place_of[id(plane)] for plane in slices)
    volumes: list[list[Slice]] = []
    if len(set(visits.values())) == 1:
        seen: Counter[int] = Counter()
        for plane in ordered:
            place = place_of[id(plane)]
            if seen[place] == len(volumes):
                volumes.append([])
            volumes[seen[place]].append(plane)
            seen[place] += 1
        return volumes
    # A slice is missing or is there again: only volumes that were numbered one after the other
    # can still be told apart.
    here: set[int] = set()
    for plane in ordered:
        place = place_of[id(plane)]
        if not volumes or place in here:
            volumes.append([])
            here = set()
        volumes[-1].append(plane)
        here.add(place)
    return volumes if _are_volumes(volumes, places) or _one_and_repeats(volumes, places) else None


def _one_and_repeats(volumes: Sequence[list[Slice]], places: int) -> bool:
    """Whether the first volume is whole, and single slices of it were acquired again."""
    again = sum(map(len, volumes[1:]))
    return len(volumes[0]) == places and again * 4 <= places


def _places(slices: Sequence[Slice]) -> dict[int, int]:
    """A number for the place of each slice, by identity of the slice."""
    together = {id(two): id(one) for one, two in coincident_pairs(slices)}
    places: dict[int, int] = {}
    for plane in sorted(slices, key=lambda plane: plane.geometry.distance if plane.geometry else 0):
        before = together.get(id(plane))
        places[id(plane)] = len(places) if before is None else places[before]
    return places


def _parts(groups: dict[tuple[str, ...], list[Slice]], tags: Sequence[int]) -> list[Part]:
    if len(groups) == 1:
        return [Part((), members) for members in groups.values()]
    values = [sorted({key[n] for key in groups}, key=_natural) for n in range(len(tags))]
    naming = _naming(list(groups), len(tags))
    return [
        Part(
            tuple(
                f"{VOLUME_TAGS[tags[n]]} {values[n].index(key[n]) + 1} of {len(values[n])}"
                for n in naming
            ),
            groups[key],
        )
        for key in sorted(groups, key=lambda key: [_natural(value) for value in key])
    ]


def _naming(keys: Sequence[tuple[str, ...]], count: int) -> list[int]:
    """The first tags that suffice to tell the groups apart."""
    chosen: list[int] = []
    told = 1
    for n in range(count):
        apart = len({tuple(key[m] for m in (*chosen, n)) for key in keys})
        if apart > told:
            chosen.append(n)
            told = apart
    return chosen


def _full(plane: Slice) -> str:
    return plane.label if plane.name == plane.label else f"{plane.label} ({plane.name})"


def _natural(value: str) -> tuple[float, str]:
    try:
        return float(value), ""
    except ValueError:
        return math.inf, value
