"""The two files of an image: ``.hdr`` with the header, ``.img`` with the voxels."""

from pathlib import Path

from common.errors import SourceError

_HEADERS = (".hdr", ".hdr.gz")
_VOXELS = (".img", ".img.gz")
_SUFFIXES = (*_HEADERS[::-1], *_VOXELS[::-1])
"""The longer ones first."""


def is_header(name: str) -> bool:
    """Whether a name is that of the header of a pair."""
    return name.lower().endswith(_HEADERS)


def is_voxels(name: str) -> bool:
    """Whether a name is that of the voxels of a pair."""
    return name.lower().endswith(_VOXELS)


def header_of(path: Path) -> Path:
    """The header of a pair.

    Args:
        path: of its voxels.

    Raises:
        SourceError: it is not beside them.
    """
    return _beside(path, _HEADERS)


def voxels_of(path: Path) -> Path:
    """Where the voxels of an image are.

    Args:
        path: of the image, or of the header of a pair.

    Raises:
        SourceError: the header's other half is not beside it.
    """
    return _beside(path, _VOXELS) if is_header(path.name) else path


def suffix_of(path: Path) -> str:
    """The suffix of either file of a pair, such as ``.hdr`` or ``.img.gz``."""
    return next(path.name[-len(one) :] for one in _SUFFIXES if path.name.lower().endswith(one))


def _beside(path: Path, suffixes: tuple[str, ...]) -> Path:
    low = path.name.lower()
    stem = path.name[: -len(next(one for one in _SUFFIXES if low.endswith(one)))]
    for suffix in suffixes:
        for name in (stem + suffix, stem + suffix.upper()):
            if (other := path.with_name(name)).is_file():
                return other
    raise SourceError(
        f"half of a .hdr/.img pair: its {suffixes[0]} is not in the same folder; send both"
    )
