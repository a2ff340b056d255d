"""The volumes of a NIfTI file, as its header describes them."""

from dataclasses import dataclass
from pathlib import Path

from common.formats.nifti.layout import Layout


@dataclass(frozen=True, slots=True)
class NiftiVolume:
    """One volume of a file."""

    label: str
    path: Path
    layout: Layout
    """Of the file."""
    stamp: tuple[int, int]
    """Size of the file, bytes, and when it was last written, ns since the epoch, when its header
    was read."""
    number: int
    """From 0."""

    @property
    def acquired_at(self) -> None:
        """None: NIfTI has no field for the time of acquisition."""

    @property
    def subject(self) -> None:
        """None: NIfTI has no field for the patient."""

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with it (codes such as ``geometry_unknown``)."""
        return self.layout.problems

    @property
    def declared_bytes(self) -> int:
        """Bytes of memory that the volume takes, as its header declares it."""
        return self.layout.memory_bytes

    @property
    def frames(self) -> int:
        """How many slices have to be read: also those before it, as a compressed file is read
        from its start."""
        return self.layout.shape[2] * (self.number + 1)


def volumes_of(layout: Layout, stamp: tuple[int, int], path: Path, label: str) -> list[NiftiVolume]:
    """The volumes of a file.

    Those of a 4-D file are labelled ``[volume 1]``, ``[volume 2]`` … in their order.
    """
    if layout.volumes == 1:
        return [NiftiVolume(label, path, layout, stamp, 0)]
    return [
        NiftiVolume(f"{label} [volume {number + 1}]", path, layout, stamp, number)
        for number in range(layout.volumes)
    ]
