"""Copies in a series: files that were copied, sent again, or whose transfer broke off."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain

from common.formats.dicom.slices import Slice

Digests = Callable[[Sequence[Slice]], Sequence[str | None]]
"""Gives a digest of the pixels of each slice, None where they cannot be read."""

_Signature = tuple[object, ...]


@dataclass(slots=True)
class Sifted:
    """Slices without their copies."""

    kept: list[Slice]
    copies: list[Slice] = field(default_factory=list)
    """Equal to one that is kept, or damaged where that one is whole."""
    damaged: list[Slice] = field(default_factory=list)
    """There is no whole copy of these."""
    originals: dict[int, Slice] = field(default_factory=dict)
    """What each of ``copies`` is a copy of, by the identity of the copy."""
    others: list[list[Slice]] = field(default_factory=list)
    """Same place, number and time as one that is kept, but other pixels; each list has one slice
    of a place at most."""

    def add_copies(self, copies: Sequence[Slice], original: Slice) -> None:
        """Note copies of a slice."""
        self.copies += copies
        self.originals |= {id(one): original for one in copies}


def sift(slices: Sequence[Slice], digests: Digests | None, *, whenever: bool = False) -> Sifted:
    """Find the copies among slices of one contrast.

    Slices of one place, instance number and time are copies if their pixels are equal, whatever
    their UIDs say. Of copies, a whole one is kept, first from the folder that has most of them.

    Args:
        slices: with a geometry.
        digests: compares pixels; without it, equal SOPInstanceUIDs mean equal pixels.
        whenever: slices of one place are copies if their pixels are equal, whatever their number
            and time: an archive may have given them new ones.
    """
    groups: dict[_Signature, list[Slice]] = {}
    for plane in slices:
        groups.setdefault(place_of(plane) if whenever else _signature(plane), []).append(plane)
    sifted = Sifted([])
    doubled = [group for group in groups.values() if len(group) > 1]
    content = _contents(doubled, digests)
    folders = Counter(plane.path.parent for plane in slices if not plane.damage)
    for group in groups.values():
        if len(group) > 1:
            group.sort(key=lambda one: (-folders[one.path.parent], len(one.path.name)))
        whole = [one for one in group if not one.damage and content.get(id(one), "") is not None]
        if not whole:
            sifted.damaged.append(group[0])
            sifted.add_copies(group[1:], group[0])
            continue
        first, *rest = whole
        sifted.kept.append(first)
        sifted.add_copies([one for one in group if one not in whole], first)
        seen = {content.get(id(first)): first}
        layer = 0
        for one in rest:
            if (same := seen.get(content[id(one)])) is not None:
                sifted.add_copies([one], same)
                continue
            seen[content[id(one)]] = one
            if layer == len(sifted.others):
                sifted.others.append([])
            sifted.others[layer].append(one)
            layer += 1
    return sifted


def originals_of(
    slices: Sequence[Slice], others: Sequence[Slice], digests: Digests | None
) -> dict[int, Slice] | None:
    """What slices are copies of, by their identity; None if one of them is no copy.

    Args:
        slices: perhaps copies, whatever their number, time and contrast.
        others: perhaps the originals.
        digests: compares pixels, as for ``sift``.
    """
    places = {place_of(plane) for plane in slices}
    at: dict[_Signature, list[Slice]] = {}
    for plane in others:
        if place_of(plane) in places and not plane.damage:
            at.setdefault(place_of(plane), []).append(plane)
    if len(at) < len(places):
        return None
    content = _contents([[*slices], *at.values()], digests)
    found: dict[int, Slice] = {}
    for plane in slices:
        own = content.get(id(plane))
        same = (one for one in at[place_of(plane)] if content[id(one)] == own)
        shortest = min(same, key=lambda one: len(one.path.name), default=None)
        original = None if own is None else shortest
        if original is None:
            return None
        found[id(plane)] = original
    return found


def place_of(plane: Slice) -> tuple[object, ...]:
    """Where a slice is, to a micrometre; empty without a geometry."""
    place = plane.geometry
    return () if place is None else tuple(round(mm, 3) for mm in place.position)


def _signature(plane: Slice) -> _Signature:
    return place_of(plane), plane.instance, plane.frame, plane.acquired_at, plane.volume_keys


def _contents(groups: Sequence[list[Slice]], digests: Digests | None) -> dict[int, object]:
    """What the pixels of slices are, by identity of the slice; None if they cannot be read."""
    planes = [plane for plane in chain.from_iterable(groups) if not plane.damage]
    if digests is None:
        return {id(plane): plane.uid for plane in planes}
    found = digests(planes) if planes else ()
    return {
        id(plane): None if digest is None else (digest, plane.slope, plane.intercept)
        for plane, digest in zip(planes, found, strict=True)
    }
