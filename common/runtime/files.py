"""Files that appear whole, and with the permissions that the user has chosen."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import IO


def write_whole(
    target: Path, content: bytes, *, replace: bool = True, durable: bool = True
) -> None:
    """Write a file that appears complete or not at all (``appearing_whole``).

    Args:
        target: the file, in an existing folder.
        content: what it shall contain.
        replace: whether an existing file is replaced; if not, it stays as it is.
        durable: whether the content is on disk (fsync) when this returns. Its name is data of the
            folder, which the caller syncs.

    Raises:
        OSError: it cannot be written.
    """
    with appearing_whole(target, replace=replace, durable=durable) as file:
        file.write(content)


@contextlib.contextmanager
def appearing_whole(
    target: Path, *, replace: bool = True, durable: bool = True
) -> Iterator[IO[bytes]]:
    """Open a file to be written that appears when the block ends, and not if it raises.

    A new file has the permissions that the umask leaves; one that replaces another has those of the
    other, which somebody may have narrowed. The arguments are those of ``write_whole``.

    Raises:
        OSError: it cannot be written.
    """
    temporary = target.parent / f".{target.name[:100]}.{secrets.token_hex(8)}"
    # Unlike ``tempfile``, which makes every file 0600, this lets the kernel apply the umask.
    descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if replace:
                with contextlib.suppress(FileNotFoundError):
                    os.fchmod(descriptor, target.stat().st_mode & 0o777)
            yield file
            if durable:
                file.flush()
                os.fsync(descriptor)
        if replace:
            temporary.replace(target)
            return
        # A link, unlike a rename, fails if the file exists.
        with contextlib.suppress(FileExistsError):
            os.link(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
