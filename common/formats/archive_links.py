"""Links in tar archives: which file each of them stands for, so that none is lost unnoticed.

A hard link stands for the file that has its name in the archive, a symbolic link for the one at its
place relative to the link (pax of POSIX.1-2017, ``linkname``). ``tarfile`` resolves both, but
without a limit. A link to a folder needs nothing: the files in that folder are members themselves.
"""

import posixpath
import tarfile
from collections.abc import Iterable, Iterator

_LONGEST = 40
"""Links that lead to links: as many as Linux follows (path_resolution(7))."""


def files_in(members: Iterable[tarfile.TarInfo]) -> Iterator[tuple[str, tarfile.TarInfo | None]]:
    """The name of each file and of each link to one, with the file; None: it is not there.

    Devices, pipes and folders have no content, and are left out.
    """
    members = list(members)
    named = {_place(one.name): one for one in members}
    folders = {folder for place in named for folder in _above(place)}
    for one in members:
        if one.isreg():
            yield one.name, one
        elif one.islnk() or one.issym():
            place, found = _followed(one, named)
            if place not in folders and (found is None or found.isreg()):
                yield one.name, found


def _followed(
    link: tarfile.TarInfo, named: dict[str, tarfile.TarInfo]
) -> tuple[str, tarfile.TarInfo | None]:
    """Where a link leads, and what is there."""
    found: tarfile.TarInfo | None = link
    place = ""
    for _ in range(_LONGEST):
        if found is None or not (found.islnk() or found.issym()):
            return place, found
        folder = posixpath.dirname(found.name) if found.issym() else ""
        place = _place(posixpath.join(folder, found.linkname))
        found = named.get(place)
    return place, None


def _place(name: str) -> str:
    return posixpath.normpath(name)


def _above(place: str) -> Iterator[str]:
    while place := posixpath.dirname(place):
        if place == "/":
            return
        yield place
