"""The interface of an analyzer: header and array in, findings out; no I/O, no state kept."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from common.domain.bit_planes import BitPlanes
from common.domain.finding_kinds import AnyFindings
from common.domain.follow_up import FollowUp
from common.domain.report import BrainReport
from common.domain.scan import BrainScan
from common.domain.with_t1 import WithT1


@dataclass(frozen=True)
class Overlay:
    """Where the lesions of a scan lie, for its picture."""

    lesions: npt.NDArray[Any]
    """Integers in the scan's shape and axes: the ``id`` of the lesion that a voxel belongs to,
    else 0."""
    brain: npt.NDArray[Any] | None = None
    """Booleans in the scan's shape and axes; None if the analyzer does not outline the brain."""


@dataclass(frozen=True)
class LabelMap:
    """Which voxels of a scan are what: it is stored with the report, and given out as NIfTI."""

    name: str
    """Such as ``lesions``: a lower-case letter, then at most 31 letters, digits and underscores."""
    values: Mapping[int, str]
    """The meaning of each label from 1 to 255, in at most 80 characters. 0 has none."""
    voxels: npt.NDArray[np.uint8]
    """The labels, in the scan's shape and axes; any memory order, Fortran is the quickest."""


@dataclass(frozen=True)
class PlanesMap:
    """A label map as bit planes of a part of the scan, for an analyzer that has masks of bits: it
    takes much less time than ``LabelMap``. Name and meanings are as there."""

    name: str
    values: Mapping[int, str]
    layout: BitPlanes
    """How many planes there are, and where they lie in the scan. No voxel outside has a label."""
    planes: Sequence[npt.NDArray[np.uint8]]
    """The bits of the labels, the lowest first; each of ``layout.plane_shape``, such as
    ``numpy.packbits(mask, axis=-1, bitorder="little")`` makes it."""


@dataclass(frozen=True)
class AnalysedScan:
    """Another scan of the same subject, and what the same analyzer found in it."""

    scan: BrainScan
    """Its header."""
    report: BrainReport
    """Its current report, by the same version of the analyzer."""
    maps: Mapping[str, npt.NDArray[np.uint8]]
    """Its label maps by name, in its own shape and axes; empty if none are stored."""


@dataclass(frozen=True)
class EarlierScan(AnalysedScan):
    """An earlier scan of the same subject. Both scans have ``acquired_at``."""


@dataclass(frozen=True)
class Analysis:
    """The result of one run over a scan: the findings and, on demand, overlay, label maps and a
    comparison."""

    findings: AnyFindings
    overlay: Callable[[], Overlay] | None = None
    """Makes the overlay of exactly these findings from what the run already knows, so it costs
    nothing unless a picture is drawn. None if the analyzer cannot outline its lesions."""
    labels: Callable[[], Iterable[LabelMap | PlanesMap]] | None = None
    """Makes the label maps of exactly these findings, at most 8, from what the run already knows.
    An iterator that makes them one by one needs the memory of one. None: there are none."""
    follow_up: Callable[[EarlierScan], FollowUp] | None = None
    """Compares the scan with an earlier one, from what the run already knows. None if the analyzer
    compares no scans."""
    with_t1: Callable[[AnalysedScan], WithT1] | None = None
    """Reads a FLAIR scan together with the T1 scan of its study. None if this is no FLAIR scan, or
    the analyzer does not read two scans together."""
    compares: tuple[str, ...] = ()
    """The names of the label maps that ``follow_up`` and ``with_t1`` need of the other scan."""


class Analyzer(Protocol):
    """One way to read a type of scan.

    Other packages add theirs by an entry point of the group ``fr_brain.analyzers`` whose value is
    a class that takes no arguments. ``README.md`` in this folder shows one.
    """

    @property
    def name(self) -> str:
        """Recorded in each report."""

    @property
    def version(self) -> str:
        """Recorded in each report; raise it when the same scan would give another result."""

    @property
    def scan_types(self) -> frozenset[str]:
        """The scan types that it reads."""

    @property
    def priority(self) -> int:
        """The analyzer with the highest priority reads a type; the built-in ones have 0."""

    def analyse(self, scan: BrainScan, voxels: npt.NDArray[Any]) -> AnyFindings:
        """Read one scan.

        Args:
            scan: the scan's header.
            voxels: array of ``scan.shape`` and ``scan.dtype``, Fortran order, read-only.

        Returns:
            The findings, of the kind that the scan is. An image that cannot be analysed (empty,
            constant, NaN) is not an error: return findings of quality 'fail' with the reasons.

        Raises:
            Exception: any failure. Fr-BRAIN retries the scan, then moves it to 'Error'.
        """


@runtime_checkable
class OverlayAnalyzer(Protocol):
    """An analyzer that finds and outlines lesions in one run; the optional second method."""

    def analyse_with_overlay(self, scan: BrainScan, voxels: npt.NDArray[Any]) -> Analysis:
        """Read one scan; arguments and errors as for ``analyse``.

        Returns:
            The findings that ``analyse`` returns for the same scan, with an overlay that has one
            label for each of their lesions, or only zeros if the image cannot be analysed, and
            with label maps if the analyzer makes any.
        """


@runtime_checkable
class SeparateOverlay(Protocol):
    """The older optional method: it outlines the lesions in a second run over the scan.

    Without either method a picture marks lesions with circles.
    """

    def overlay(self, scan: BrainScan, voxels: npt.NDArray[Any]) -> Overlay:
        """The overlay of the findings that ``analyse`` returns for the same scan."""
