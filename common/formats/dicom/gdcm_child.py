"""The child of ``dicom_apart``: decodes what a damaged file may end a process with."""

import json
import sys
from pathlib import Path
from typing import BinaryIO

import numpy as np

from common.formats.dicom.pixels import decoded_here


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Decode what is asked for, until the input ends."""
    for line in requests:
        path, frames = json.loads(line)
        try:
            array = np.stack(list(decoded_here(Path(path), frames)))
        except Exception as error:  # noqa: BLE001 - told to who asked
            reason = (str(error).splitlines() or [""])[0][:200]
            answers.write(json.dumps([reason]).encode() + b"\n")
        else:
            answers.write(json.dumps([array.dtype.str, array.shape]).encode() + b"\n")
            answers.write(array.tobytes())
        answers.flush()


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
