"""What keeps an upload from being taken, in words that say what to do."""

import contextlib
import errno
from collections.abc import Iterator

from common.errors import SettingsError
from fr_hub.web.problems import Problem
from fr_hub.web.uploads.desk import TooLarge, UploadDesk
from fr_hub.web.uploads.intake import MIB, Full
from fr_hub.web.uploads.reservations import NoSpace
from fr_hub.web.uploads.upload import Upload

_RETRY_S = 30
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


@contextlib.contextmanager
def refusals(desk: UploadDesk) -> Iterator[None]:
    """Errors of the desk in the block become problems."""
    """What keeps an upload from being taken, as problems."""
    retry = {"Retry-After": str(_RETRY_S)}
    try:
        yield
    except TooLarge:
        most = f"An upload may have at most {desk.limit // MIB} MiB (WEB_UPLOAD_LIMIT_MIB)"
        detail = f"{most}: send fewer files at a time."
        raise Problem(413, "too_large", detail) from None
    except NoSpace as error:
        detail = f"Finish or cancel other uploads first: {error}."
        raise Problem(429, "too_many_uploads", detail, retry) from None
    except Full as error:
        detail = f"Fr accepts no scans at the moment: {error}. Try again later."
        raise Problem(503, "busy", detail, {"Retry-After": str(error.retry_s)}) from None
    except SettingsError as error:
        # Without a traceback: the text says what to do.
        desk.log.error("uploads cannot be stored", reason=str(error))  # noqa: TRY400
        detail = "The server is not set up for uploads; its log tells an administrator why."
        raise Problem(503, "not_configured", detail) from None
    except OSError as error:
        if error.errno not in _NO_SPACE:
            raise
        detail = "The server's disk is full; an administrator must make room. Try again later."
        raise Problem(503, "disk_full", detail, retry) from None


def wrong_offset(offset: int) -> Problem:
    """The bytes do not follow those that are there."""
    detail = "These bytes do not follow those that have arrived: continue from Upload-Offset."
    return Problem(409, "wrong_offset", detail, {"Upload-Offset": str(offset)})


def too_much(upload: Upload) -> Problem:
    """More bytes came than were declared."""
    return Problem(
        413,
        "too_large",
        f"The upload has more bytes than the {max(upload.size, upload.reserved)} that were "
        "declared: start one of the right size.",
    )
