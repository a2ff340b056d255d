"""The child process of ``gdcm_process``: decodes frames with GDCM, which a damaged file can crash.

Protocol, over standard input and output: a request is one line of JSON, ``[path, frames]``. The
answer is one line of JSON, ``[dtype, shape]``, followed by the bytes of the array; or ``[reason]``.
"""

import json
import sys
from pathlib import Path
from typing import BinaryIO

import numpy as np

from common.formats.dicom.pixel_data import decode_in_this_process


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until the input ends."""
    for line in requests:
        path, frames = json.loads(line)
        try:
            array = np.stack(list(decode_in_this_process(Path(path), frames)))
        except Exception as error:  # noqa: BLE001 - reported to the parent
            reason = (str(error).splitlines() or [""])[0][:200]
            answers.write(json.dumps([reason]).encode() + b"\n")
        else:
            answers.write(json.dumps([array.dtype.str, array.shape]).encode() + b"\n")
            answers.write(array.tobytes())
        answers.flush()


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
