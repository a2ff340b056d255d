"""Lesions at full resolution: thresholds, connected components, tests on each component.

Own method. On FLAIR a voxel is a candidate if it is brighter than all healthy tissue. On T1 lesions
are dark, so intensities are mirrored at white matter, and only lesions inside white matter can be
told from grey matter. Each lesion ends at half of its rise (full width at half maximum).
``METHOD.md`` explains the tests and their constants.
"""

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import cc3d
import numpy as np
import numpy.typing as npt

from fr_brain.analyzers.volume.components import (
    Component,
    MeasuredLesion,
    measured,
    voxel_indices,
)
from fr_brain.analyzers.volume.image import Bools, Labels, UnreadableImage
from fr_brain.analyzers.volume.lesions_t1 import measure_t1
from fr_brain.analyzers.volume.masks import CoarseMasks
from fr_brain.analyzers.volume.normalize import WHITE, NormalizedImage
from fr_brain.analyzers.volume.outline import OUTLINE_MM, REGROW_MM, Outlined, Outliner, Search
from fr_brain.analyzers.volume.shapes import steps_of
from fr_brain.analyzers.volume.small_lesions import find_small_lesions
from fr_brain.analyzers.volume.thresholds import MARGIN_MM, TissueThresholds, mirrored
from fr_brain.analyzers.volume.tissue import TissueIntensities

Positions = tuple[npt.NDArray[np.intp], ...]

MIN_ML = 0.004
"""The smallest lesion, ml."""

_MAX_ML = 200.0  # the largest lesion
_MIN_VOXELS = 3  # of a lesion
_RISE_MIN = 1.04  # brighter half of a lesion over the end of healthy tissue
_COARSE_MM, _MEAN_MIN = 2.25, 1.03  # from this voxel edge: mean over the end of healthy tissue
_AROUND_MM = 3.5  # margin in which a lesion's surroundings are read
_FAINT_SIGMAS = 1.5, 3.0  # over grey matter: extent and seeds of lesions inside white matter
_THICK_MM = 4.0  # slices in which faint lesions are looked for once more
_THICK_SIGMAS = 1.0, 2.0  # over grey matter, there: extent and seeds
_CNR_MIN_THICK = 3.0  # rise over smoothed noise, there
_CNR_MIN_FAINT = 6.0  # rise over smoothed noise of a faint lesion
_CNR_MIN = 5.4  # rise over smoothed noise, on FLAIR
_CNR_MIN_T1 = 6.0  # the same on T1
_CNR_MIN_BELOW_GREY = 20.0  # the same for T1 lesions that are known only as darker than grey matter
_COMPONENTS_MAX = 400  # an image with more does not show lesions; also a bound on work


def inner_brain(masks: CoarseMasks) -> Bools:
    """Where lesions are looked for on FLAIR: blocks not mixed with what lies outside the brain."""
    return masks.brain & (masks.depth > MARGIN_MM)


@dataclass(frozen=True)
class DetectedLesions:
    """All lesions of a scan."""

    lesions: list[MeasuredLesion]
    """The largest first."""
    labels: npt.NDArray[np.uint16]
    """Shape of the box: n where lesion n (from 1) is, else 0. Partly filled voxels count."""
    components: list[Component]
    """Of the lesions, in the same order."""

    def filled(self) -> npt.NDArray[np.uint16]:
        """The labels without the voxels that a lesion fills less than half: ``labels`` itself,
        changed in place."""
        for component in self.components:
            if component.core is not component.mask:
                self.labels[component.box][component.mask & ~component.core] = 0
        return self.labels


def find_lesions(
    normalized: NormalizedImage,
    masks: CoarseMasks,
    zone: Bools,
    thresholds: TissueThresholds,
    tissues: TissueIntensities,
    spacing_mm: tuple[float, float, float],
    voxel_ml: float,
    *,
    t1_like: bool,
) -> DetectedLesions:
    """Find and measure the lesions.

    Args:
        normalized: the box.
        masks: head and brain, a block each.
        zone: blocks of white matter.
        thresholds: where healthy tissue ends.
        tissues: intensities of the tissues.
        spacing_mm: distance between voxels along z, y, x, mm.
        voxel_ml: volume of a voxel, ml.
        t1_like: whether grey matter is darker than white, as on T1.

    Raises:
        UnreadableImage: the brain has more bright components than any brain has lesions.
    """
    finder = _Finder(
        normalized, masks, zone, thresholds, tissues, spacing_mm, voxel_ml, t1_like=t1_like
    )
    components = finder.find()
    del finder
    lesions = sorted(
        ((measured(normalized, component), component) for component in components),
        key=lambda item: (-item[0].with_partial, item[0].centroid),
    )
    out = np.zeros(normalized.intensities.shape, np.uint16)
    for number, (_, component) in enumerate(lesions, 1):
        out[component.box][component.mask] = number
    return DetectedLesions(
        [lesion for lesion, _ in lesions], out, [component for _, component in lesions]
    )


class _Finder:
    """Searches one box; the passes share the voxels that are already taken."""

    def __init__(
        self,
        normalized: NormalizedImage,
        masks: CoarseMasks,
        zone: Bools,
        thresholds: TissueThresholds,
        tissues: TissueIntensities,
        spacing_mm: tuple[float, float, float],
        voxel_ml: float,
        *,
        t1_like: bool,
    ) -> None:
        self._normalized = normalized
        self._thresholds = thresholds
        self._tissues = tissues
        self._spacing_mm = spacing_mm
        self._voxel_ml = voxel_ml
        self._least_voxels = max(_MIN_VOXELS, MIN_ML / voxel_ml)
        self._outliner = Outliner(thresholds, tissues, spacing_mm, voxel_ml, self._least_voxels)
        self._coarse = voxel_ml * 1000 > _COARSE_MM**3
        self._t1_like = t1_like
        self._inner = inner_brain(masks)
        around_mm = _AROUND_MM if t1_like else OUTLINE_MM
        self._margin = [math.ceil(around_mm / edge) for edge in spacing_mm]
        self._regrow = steps_of(REGROW_MM, spacing_mm)
        self._taken = np.zeros(normalized.intensities.shape, np.bool_)
        if t1_like:
            # The second pass finds lesions that touch grey matter but are darker than it.
            self._passes = [
                Search(masks.brain, thresholds.zone_grow, thresholds.zone_seed, _CNR_MIN_T1, 0),
                Search(
                    masks.brain,
                    thresholds.below_grey,
                    thresholds.below_grey,
                    _CNR_MIN_BELOW_GREY,
                    0,
                ),
            ]
        else:
            begin = thresholds.seed if self._coarse else thresholds.grow
            rise = _RISE_MIN * thresholds.grow
            self._passes = [Search(self._inner, begin, thresholds.seed, _CNR_MIN, rise)]
            faint = round(tissues.grey + _FAINT_SIGMAS[0] * thresholds.sigma)
            if not self._coarse and faint < begin:
                # Inside white matter a lesion need not be brighter than all cortex.
                seed = round(tissues.grey + _FAINT_SIGMAS[1] * thresholds.sigma)
                within = zone & self._inner
                self._passes.append(Search(within, faint, seed, _CNR_MIN_FAINT, seed, islands=True))

    def find(self) -> list[Component]:
        """The lesions of all passes."""
        found = [
            component
            for search in self._passes
            for component in self._detect(search)
            if component.certain
        ]
        if self._t1_like:
            return found
        if max(self._spacing_mm) >= _THICK_MM:
            found += self._clear(found)
        return found + [
            Component(
                small.box, small.mask, small.mask, small.rise / self._thresholds.sigma,
                certain=True, small_logit=small.logit,
            )
            for small in find_small_lesions(
                self._normalized, self._inner, self._thresholds, self._tissues, self._spacing_mm,
                self._labelled(found), self._least_voxels,
            )
        ]  # fmt: skip

    def _clear(self, found: list[Component]) -> list[Component]:
        """Faint lesions in thick slices that end abruptly, among what was not found."""
        extent, seed = (
            round(self._tissues.grey + sigmas * self._thresholds.sigma) for sigmas in _THICK_SIGMAS
        )
        self._labelled(found)
        search = Search(self._inner, extent, seed, _CNR_MIN_THICK, 0, islands=True, clear=True)
        return [component for component in self._detect(search) if component.certain]

    def _labelled(self, components: list[Component]) -> Bools:
        """The voxels of components: what was found but is not certain may be a small lesion."""
        self._taken[:] = False
        for component in components:
            self._taken[component.box] |= component.mask
        return self._taken

    def _detect(self, search: Search) -> list[Component]:
        """Lesions of one pass; their voxels become taken, even if their cnr is too low."""
        labels = self._label(search)
        components = []
        for label, positions in self._candidates(labels, search):
            box = self._box_of(positions, (0, 0, 0))
            for component in self._measure(labels, label, box, search):
                self._taken[component.box] |= component.mask
                components.append(component)
        return components

    def _box_of(self, positions: Positions, start: tuple[int, ...]) -> tuple[slice, ...]:
        """The box of voxels with a margin; positions along z, y, x count from ``start``."""
        return tuple(
            slice(max(0, first + int(axis.min()) - more), first + int(axis.max()) + more + 1)
            for axis, more, first in zip(positions, self._margin, start, strict=True)
        )

    def _label(self, search: Search) -> Labels:
        """The 18-connected components above the limit, numbered from 1."""
        intensities = self._normalized.intensities
        above = np.empty(intensities.shape, np.bool_)
        for part in self._normalized.slabs():
            if self._t1_like:
                np.less_equal(intensities[part], 2 * WHITE - search.limit, out=above[part])
            else:
                np.greater_equal(intensities[part], search.limit, out=above[part])
            above[part] &= self._normalized.upsample(search.where, part)
        labels: Labels = cc3d.connected_components(above.view(np.uint8), connectivity=18)
        return labels

    def _candidates(self, labels: Labels, search: Search) -> Iterator[tuple[int, Positions]]:
        """Components with a seed and a plausible size: label, and voxel indices along z, y, x.

        On T1 a component that leaves the inner brain is not one.
        """
        largest = _MAX_ML / self._voxel_ml
        # Lesions fill a thousandth of the box, so statistics run on their voxels alone.
        indices = voxel_indices(labels, self._normalized, largest if self._t1_like else math.inf)
        if not indices.size:
            return
        own = labels.ravel()[indices]
        values = self._normalized.intensities.ravel()[indices]
        if self._t1_like:
            values = mirrored(values)
        sizes = np.bincount(own)
        fits = np.zeros(len(sizes), np.bool_)
        fits[own[values >= search.seed]] = True
        fits &= (sizes >= self._least_voxels) & (sizes <= largest)
        if self._t1_like:
            fits[own[~self._normalized.upsample(self._inner).ravel()[indices]]] = False
        kept = np.flatnonzero(fits)
        if len(kept) > _COMPONENTS_MAX and search.islands:
            return  # noise, in which none of them means anything
        if len(kept) > _COMPONENTS_MAX:
            raise UnreadableImage(
                f"The brain has {len(kept)} separate bright spots: the image is noise or another "
                "contrast."
            )
        indices, own = indices[fits[own]], own[fits[own]]
        by_label = np.argsort(own, kind="stable")
        ends = np.searchsorted(own[by_label], kept, side="right")
        for label, end in zip(kept, ends, strict=True):
            chosen = indices[by_label[end - sizes[label] : end]]
            yield int(label), np.unravel_index(chosen, labels.shape)

    def _measure(
        self, labels: Labels, label: int, box: tuple[slice, ...], search: Search
    ) -> Iterator[Component]:
        """The lesions of a candidate up to their borders, without those that fail a test."""
        around = self._normalized.intensities[box]
        if self._t1_like:
            found = measure_t1(
                mirrored(around), labels[box], label, search.limit, self._thresholds, self._regrow
            )
            if found is not None:
                mask, cnr = found
                yield from self._checked(box, Outlined(mask, mask, cnr, cnr >= search.cnr_min))
            return
        whole = labels[box] == label
        start = tuple(part.start for part in box)
        pieces = self._outliner.pieces(around, whole, search.seed)
        pending = deque((piece, search) for piece in pieces)
        while pending:
            piece, current = pending.popleft()
            own = self._box_of(np.nonzero(piece), start)
            # The part of the larger box; both end at the image's border.
            part = tuple(
                slice(max(0, mine.start - first), mine.stop - first)
                for mine, first in zip(own, start, strict=True)
            )
            own = tuple(
                slice(first + cut.start, first + min(cut.stop, size))
                for first, cut, size in zip(start, part, whole.shape, strict=True)
            )
            free = (labels[own] == 0) | whole[part]
            outlined = self._outliner.measure(
                self._normalized.intensities[own], piece[part], free, current, self._taken[own]
            )
            if outlined is not None:
                yield from self._checked(own, outlined)
            elif self._outliner.may_hide_lesions(piece, current):
                # Lesions on the bright lining of a ventricle: a higher threshold parts them.
                raised = current.raised(self._thresholds.seed - self._thresholds.grow)
                above = piece & (around >= raised.limit)
                pieces = self._outliner.pieces(around, above, raised.seed)
                pending.extend((inner, raised) for inner in pieces)

    def _checked(self, box: tuple[slice, ...], outlined: Outlined) -> Iterator[Component]:
        least = _MEAN_MIN * self._thresholds.grow
        around = self._normalized.intensities[box]
        if not self._t1_like and self._coarse and around[outlined.mask].mean() < least:
            return
        grown = outlined.mask & ~self._taken[box]
        if np.count_nonzero(grown) < _MIN_VOXELS:
            return
        core = grown & outlined.core
        if np.count_nonzero(core) < _MIN_VOXELS:
            core = grown
        yield Component(box, grown, core, outlined.cnr, outlined.certain)
