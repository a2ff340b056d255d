"""The fuzz target of the ECG formats."""

import binascii
import struct

from tests.fuzz.images import scratch_folder, send_all

NAMES = ("r.hea", "r.edf", "r.scp", "r.ecg.json", "r.ecg.csv", "r.ecg.xml", "r.dcm")
"""Of the file, by the first byte of an input."""

SEPARATOR = b"\0\0\0\0"
"""Between a header of WFDB and its samples."""


def ecg(data: bytes) -> None:
    """Read the bytes after the first as a file of the format that the first names."""
    if not data:
        return
    name, content = NAMES[data[0] % len(NAMES)], data[1:]
    with scratch_folder() as folder:
        if name == NAMES[0]:
            content, _, samples = content.partition(SEPARATOR)
            (folder / "r.dat").write_bytes(samples)
        if name == NAMES[2]:  # else nearly all inputs would fail at the checksum of the record
            rest = content[2:]
            content = struct.pack("<H", binascii.crc_hqx(rest, 0xFFFF)) + rest
        (folder / name).write_bytes(content)
        send_all(folder / name)
