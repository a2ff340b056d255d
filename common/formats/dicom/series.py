"""Volumes out of the slices of DICOM series: what belongs together, and what is left out.

Slices of one volume have one series UID, patient, study and frame of reference (``group_series``);
one grid (``grids``) and contrast, and each its own place (``splitting``). Copies and strays are
left out by name, so that they never cost the series.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from types import MappingProxyType

import numpy as np

from common.errors import SourceError
from common.formats.dicom.completeness import missing_of, problems_of
from common.formats.dicom.copies import Digests, originals_of, sift
from common.formats.dicom.geometry import sort_by_position, split_strays
from common.formats.dicom.grids import by_grid, names_of
from common.formats.dicom.left_out import LeftOut, SlicesRefused
from common.formats.dicom.slices import Slice
from common.formats.dicom.splitting import Part, by_contrast, by_time
from common.formats.dicom.stack import Stack
from common.formats.dicom.volume_roles import volume_role

Outcome = tuple[str, Stack | SourceError]
_Key = tuple[str, object]

_STRAY_SLICES = 3
_STRAY_SHARE = 5
"""Up to 3 slices of another plane or size are strays beside five times as many of one volume."""
_SAME_PLACE_MM = 0.1
_NONE: Mapping[int, Slice] = MappingProxyType({})
_JOINED = 3
_SCATTERED = 5
"""So many series of one slice each are one series whose UIDs differ from slice to slice: within one
study and frame of reference, and across several."""


def group_series(slices: Sequence[Slice]) -> list[list[Slice]]:
    """The slices of each series, in the order of their first ones.

    Some devices give each slice a series UID, or none. Such slices are one series if patient,
    study, frame of reference, series number and description, grid and contrast are equal. Five
    or more such slices are also one series if the study or the frame of reference differs in every
    slice, and the files name the patient. If single slices of a series name no frame of reference,
    they are in that of the others. If several series still share a series UID, each of their slices
    gets a problem.

    Args:
        slices: of all files, in their order.
    """
    owners: dict[str, Counter[str]] = {}
    for plane in slices:
        owners.setdefault(plane.series, Counter())[plane.owner] += 1
    groups: dict[_Key, list[Slice]] = {}
    for plane in slices:
        owner = _owner(plane.owner, owners[plane.series])
        key: _Key = (plane.series, owner if plane.series else _likeness(plane))
        groups.setdefault(key, []).append(plane)
    lone: dict[tuple[object, ...], list[_Key]] = {}
    for key, members in groups.items():
        if not key[0] or (len(members) == 1 and members[0].frame is None):
            lone.setdefault(_likeness(members[0]), []).append(key)
    for keys in lone.values():
        planes = [plane for key in keys for plane in groups[key]]
        without = not all(key[0] for key in keys)
        if len(planes) > 1 and (without or _one_after_another(planes)):
            _join(groups, keys)
    _join_scattered(groups)
    uids = Counter(series for series, _ in groups if series)
    return [
        (
            members
            if uids[key[0]] < 2
            else [replace(plane, problems=(*plane.problems, "series_divided")) for plane in members]
        )
        for key, members in groups.items()
    ]


def _join(groups: dict[_Key, list[Slice]], keys: Sequence[_Key]) -> None:
    """Make one series of several, in place of the first."""
    planes = [plane for key in keys for plane in groups[key]]
    groups[keys[0]] = [replace(p, problems=(*p.problems, "series_joined")) for p in planes]
    for key in keys[1:]:
        del groups[key]


def _join_scattered(groups: dict[_Key, list[Slice]]) -> None:
    """Join slices of a patient whose UIDs somebody replaced file by file."""
    alike: dict[tuple[object, ...], list[_Key]] = {}
    for key, members in groups.items():
        if len(members) == 1 and members[0].frame is None:
            alike.setdefault(_likeness(members[0])[1:], []).append(key)
    for keys in alike.values():
        planes = [groups[key][0] for key in keys]
        scattered = len({plane.owner for plane in planes}) == len(planes) >= _SCATTERED
        if scattered and _one_after_another(planes):
            _join(groups, keys)


def _owner(owner: str, counts: Mapping[str, int]) -> str:
    if not owner.endswith("/"):
        return owner
    named = [other for other in counts if other != owner and other.startswith(owner)]
    lacking = len(named) == 1 and counts[owner] * _STRAY_SHARE <= counts[named[0]]
    return named[0] if lacking else owner


def _likeness(plane: Slice) -> tuple[object, ...]:
    place = plane.geometry
    return (
        *(plane.owner, plane.protocol, plane.rows, plane.columns, plane.bits),
        None if place is None else (*place.cosines, *place.spacing),
        plane.role,
    )


def _one_after_another(slices: Sequence[Slice]) -> bool:
    """Whether single slices have numbers and places of their own: not several single images."""
    numbers = {plane.instance for plane in slices}
    places = {plane.geometry.position for plane in slices if plane.geometry}
    return len(slices) >= _JOINED and len(numbers) == len(places) == len(slices)


def stack_series(
    slices: Sequence[Slice], *, single_file: bool, digests: Digests | None = None
) -> Iterator[Outcome]:
    """Stack the slices of one series into volumes.

    Args:
        slices: of one series (``group_series``), in the order in which their files were found.
        single_file: the user named this one file. Only then may an image without geometry become
            a scan (without an affine): in a folder it is most likely a screenshot.
        digests: compares the pixels of copies.

    Yields:
        The label of each volume, and the volume or why it cannot become a scan; and the label of
        each file that is left out (``LeftOut``).
    """
    first = slices[0]
    if first.geometry is None and len(slices) == 1 and single_file:
        problems = ("geometry_unknown", *first.problems)
        yield first.label, Stack(first.label, (first,), None, first.role, problems, first.label)
        return
    placed = [plane for plane in slices if plane.geometry is not None]
    lost = [plane for plane in slices if plane.geometry is None]
    if len(lost) * _STRAY_SHARE > len(placed):
        yield _label(first, len(slices)), SlicesRefused(
            "no geometry: ImagePositionPatient, ImageOrientationPatient or PixelSpacing "
            f"is missing or not valid in {_some([plane.label for plane in lost])}; export the "
            "series again, or convert it to NIfTI",
            first.label,
            slices,
        )
        return
    yield from _left_out("stray", lost)
    if placed:
        yield from _Series(placed, digests).outcomes()


@dataclass(slots=True)
class _Volume:
    """Slices that should be one volume."""

    planes: list[Slice]
    details: tuple[str, ...]
    damaged: list[Slice]
    problems: tuple[str, ...] = ()


class _Series:
    def __init__(self, slices: Sequence[Slice], digests: Digests | None) -> None:
        self._first = slices[0]
        self._slices = slices
        self._digests = digests
        self._volumes: list[list[_Volume]] = []  # of each grid
        self._outcomes: list[Outcome] = []
        self._copies = 0

    def outcomes(self) -> Iterator[Outcome]:
        grids = by_grid(self._slices)
        largest = max(map(len, grids))
        whole = []
        for members in grids:
            if len(members) <= _STRAY_SLICES and len(members) * _STRAY_SHARE <= largest:
                self._outcomes += _left_out("stray", members)
            else:
                whole.append(members)
        for members, name in zip(whole, names_of(whole), strict=True):
            self._volumes.append([])
            for part in by_contrast(members):
                self._split(Part((*filter(None, [name]), *part.details), part.slices))
        volumes = [*chain.from_iterable(self._volumes)]
        found = [plane for volume in volumes for plane in volume.planes]
        kept = {id(plane) for plane in found}
        self._first = next((one for one in self._slices if id(one) in kept), self._first)
        others = len(self._slices) - self._copies - len(found)
        missing = missing_of([volume.planes for volume in volumes], others)
        diffusion = any(plane.role.startswith("diffusion") for plane in found)
        for grid in self._volumes:
            fullest = max(grid, key=lambda volume: len(volume.planes), default=None)
            for volume in grid:
                if fullest is not None and _is_stray(volume, fullest):
                    yield from _left_out("stray", volume.planes)
                else:
                    places = _places_of(volume, fullest)
                    if len(volume.planes) + len(volume.damaged) < places and (
                        copies := self._copies_in(volume, volumes)
                    ):
                        yield from _left_out("copy", volume.planes, copies)
                        continue
                    yield from self._stacked(volume, places, missing=missing, diffusion=diffusion)
        yield from self._outcomes

    def _split(self, part: Part) -> None:
        """Find the volumes of one contrast."""
        sifted = sift(part.slices, self._digests)
        self._outcomes += _left_out("copy", sifted.copies, sifted.originals)
        self._copies += len(sifted.copies) + sum(map(len, sifted.others))
        differ = ("copies_differ",) if sifted.others else ()
        whole = len(sifted.kept)
        self._volumes_of(Part(part.details, sifted.kept), sifted.damaged, differ)
        for number, other in enumerate(sifted.others, 2):
            details = (*part.details, f"copy {number}")
            if len(other) == whole:
                self._volumes_of(Part(details, other), [], differ)
            else:
                text = (
                    f"{len(other)} of the {whole} slices exist in another version, with different "
                    "pixels, which is not sent; keep only the correct version of each slice"
                )
                self._refuse(text, other, details)

    def _volumes_of(self, part: Part, damaged: Sequence[Slice], problems: tuple[str, ...]) -> None:
        if damaged and len(damaged) * _STRAY_SHARE > len(part.slices):
            text = f"{damaged[0].label} is {damaged[0].damage}"
            self._refuse(text, [*part.slices, *damaged], part.details)
            return
        for bad in damaged:
            self._outcomes.append((bad.label, SourceError(f"it is {bad.damage}")))
        try:
            volumes = self._by_time(part.slices)
        except SourceError as error:
            self._refuse(str(error), part.slices, part.details)
            return
        again = len(volumes) > 1 and len(volumes[0].slices) > 4 * sum(
            len(volume.slices) for volume in volumes[1:]
        )
        if again:
            for volume in volumes[1:]:
                self._outcomes += _left_out("repeat", volume.slices)
            volumes, problems = [Part((), volumes[0].slices)], (*problems, "slices_repeated")
        for volume in volumes:
            details = (*part.details, *volume.details)
            lost = [*damaged] if len(volumes) == 1 else []
            planes, strays = split_strays(volume.slices)
            self._outcomes += _left_out("stray", strays)
            self._volumes[-1].append(_Volume(planes, details, lost, problems))

    def _by_time(self, slices: list[Slice]) -> list[Part]:
        """The volumes of one contrast. Where nothing tells slices of one place apart, copies with
        numbers or times of their own may be among them."""
        try:
            return by_time(slices)
        except SourceError:
            sifted = sift(slices, self._digests, whenever=True)
            if not sifted.copies:
                raise
            volumes = by_time([*sifted.kept, *chain.from_iterable(sifted.others)])
            self._outcomes += _left_out("copy", sifted.copies, sifted.originals)
            self._copies += len(sifted.copies)
            return volumes

    def _refuse(self, reason: str, slices: Sequence[Slice], details: tuple[str, ...]) -> None:
        label = _label(self._first, len(slices), *details)
        self._outcomes.append((label, SlicesRefused(reason, self._first.label, slices)))

    def _copies_in(self, volume: _Volume, volumes: Sequence[_Volume]) -> Mapping[int, Slice] | None:
        """What the slices of an incomplete volume are copies of, if all of them are: then nothing
        is lost with it."""
        fuller = (other for other in volumes if len(other.planes) > len(volume.planes))
        others = [plane for other in fuller for plane in other.planes]
        return originals_of(volume.planes, others, self._digests)

    def _stacked(
        self, volume: _Volume, places: int, *, missing: bool, diffusion: bool
    ) -> Iterator[Outcome]:
        label = _label(self._first, len(volume.planes), *volume.details)
        try:
            ordered, affine = sort_by_position(volume.planes)
        except SourceError as error:
            yield label, SlicesRefused(str(error), self._first.label, volume.planes)
            return
        if len(ordered) + len(volume.damaged) < places:
            text = f"incomplete: {len(ordered)} of {places} slices; export the whole series again"
            yield label, SlicesRefused(text, self._first.label, volume.planes)
            return
        problems = [*volume.problems, *chain.from_iterable(plane.problems for plane in ordered)]
        if missing or volume.damaged:
            problems.append("slices_missing")
        problems += problems_of(ordered)
        role = volume_role(ordered, volume.details, diffusion=diffusion)
        told = tuple(dict.fromkeys(problems))
        yield label, Stack(label, ordered, affine, role, told, self._first.label)


def _is_stray(volume: _Volume, fullest: _Volume) -> bool:
    """Whether these are single slices of another contrast; the beginning of a time point is not."""
    count = len(volume.planes)
    return (
        count <= _STRAY_SLICES
        and count * _STRAY_SHARE <= len(fullest.planes)
        and not any(detail.startswith("Temporal") for detail in volume.details)
    )


def _places_of(volume: _Volume, fullest: _Volume | None) -> int:
    """How many slices a volume should have: as many as the fullest of its grid, if its slices
    have places of that one."""
    if fullest is None or len(volume.planes) >= len(fullest.planes):
        return len(volume.planes)
    others = np.array([plane.geometry.distance for plane in fullest.planes if plane.geometry])
    mine = np.array([plane.geometry.distance for plane in volume.planes if plane.geometry])
    shared = np.abs(mine[:, None] - others[None, :]).min(axis=1) < _SAME_PLACE_MM
    return len(fullest.planes) if bool(shared.all()) else len(volume.planes)


def _left_out(
    kind: str, slices: Sequence[Slice], originals: Mapping[int, Slice] = _NONE
) -> list[Outcome]:
    """Each file once."""
    files = {plane.label: plane for plane in slices}

    def left_out(plane: Slice) -> LeftOut:
        original = originals.get(id(plane))
        return LeftOut(kind, plane.path, original.label if original else "", plane.damage)

    return [(label, left_out(plane)) for label, plane in files.items()]


def _label(first: Slice, count: int, *details: str) -> str:
    parts = [detail for detail in details if detail]
    if count > 1:
        parts.insert(0, f"series of {count} slices")
    return f"{first.label} ({', '.join(parts)})" if parts else first.label


def _some(names: Sequence[str]) -> str:
    """The first names: enough to find the others."""
    first = ", ".join(dict.fromkeys(names[:3]))
    return f"{first} and {len(names) - 3} more" if len(names) > 3 else first
