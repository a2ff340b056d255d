"""Which folders need polling: the kernel does not tell of what other machines change in them."""

import os
import re
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")

_REMOTE = re.compile(
    r"nfs4?|cifs|smb3|smbfs|ncpfs|afs|9p|ceph|lustre|gpfs|beegfs|ocfs2|gfs2|virtiofs|vboxsf|prl_fs|"
    r"vmhgfs|davfs|drvfs|fuse|fuse\..+"
)
"""Network file systems, and those by which virtual machines and containers share folders of their
host. FUSE may be any of them (sshfs, rclone, …)."""


def remote_kind(folder: Path, mounts: Path = MOUNTS) -> str | None:
    """The kind of network file system that a folder is on, or that is mounted in it.

    Args:
        folder: an existing folder.
        mounts: the mounts of this process, as Linux lists them (proc_pid_mountinfo(5)).

    Returns:
        Its name, such as ``nfs4``; None: all of it is local, or this system does not say.
    """
    try:
        lines = mounts.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return None
    here = Path(os.path.realpath(folder))
    # Later lines are mounted over earlier ones.
    on: dict[Path, str] = {}
    for line in lines:
        before, _, after = line.partition(" - ")
        fields = before.split()
        if len(fields) > 4 and after:
            on[Path(_unescaped(fields[4]))] = after.split()[0]
    above = max((point for point in on if here.is_relative_to(point)), key=_depth, default=None)
    inside = [point for point in on if point.is_relative_to(here)]
    for point in (*inside, *([] if above is None else [above])):
        if _REMOTE.fullmatch(on[point]):
            return on[point]
    return None


def _depth(path: Path) -> int:
    return len(path.parts)


def _unescaped(text: str) -> str:
    """A path of the list, in which octal numbers stand for blanks and backslashes."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)
