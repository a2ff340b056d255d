"""Build DICOM slices from arbitrary bytes: well-formed files with arbitrary attribute values.

Mutating whole files breaks their structure long before it produces a series that almost fits.
The bytes mean: how many slices (1 to 8), then for each slice how many attributes to change
(0 to 7), and for each change its attribute, the length of its value (0 to 63) and the value.
"""

import struct

_MR = b"1.2.840.10008.5.1.4.1.1.4"
_ROWS, _COLUMNS = (0x0028, 0x0010), (0x0028, 0x0011)
_PIXELS = (0x7FE0, 0x0010)

Tag = tuple[int, int]

ATTRIBUTES: tuple[tuple[Tag, bytes], ...] = (
    ((0x0008, 0x0008), b"CS"),  # ImageType
    ((0x0008, 0x0016), b"UI"),  # SOPClassUID
    ((0x0008, 0x0018), b"UI"),  # SOPInstanceUID
    ((0x0008, 0x002A), b"DT"),  # AcquisitionDateTime
    ((0x0008, 0x0021), b"DA"),  # SeriesDate
    ((0x0008, 0x0031), b"TM"),  # SeriesTime
    ((0x0008, 0x0201), b"SH"),  # TimezoneOffsetFromUTC
    ((0x0010, 0x0020), b"LO"),  # PatientID
    ((0x0018, 0x0050), b"DS"),  # SliceThickness
    ((0x0018, 0x0081), b"DS"),  # EchoTime
    ((0x0018, 0x0088), b"DS"),  # SpacingBetweenSlices
    ((0x0020, 0x000E), b"UI"),  # SeriesInstanceUID
    ((0x0020, 0x0013), b"IS"),  # InstanceNumber
    ((0x0020, 0x0032), b"DS"),  # ImagePositionPatient
    ((0x0020, 0x0037), b"DS"),  # ImageOrientationPatient
    ((0x0020, 0x0100), b"IS"),  # TemporalPositionIdentifier
    ((0x0028, 0x0002), b"US"),  # SamplesPerPixel
    ((0x0028, 0x0004), b"CS"),  # PhotometricInterpretation
    ((0x0028, 0x0008), b"IS"),  # NumberOfFrames
    (_ROWS, b"US"),
    (_COLUMNS, b"US"),
    ((0x0028, 0x0030), b"DS"),  # PixelSpacing
    ((0x0028, 0x0100), b"US"),  # BitsAllocated
    ((0x0028, 0x0101), b"US"),  # BitsStored
    ((0x0028, 0x0102), b"US"),  # HighBit
    ((0x0028, 0x0103), b"US"),  # PixelRepresentation
    ((0x0028, 0x1052), b"DS"),  # RescaleIntercept
    ((0x0028, 0x1053), b"DS"),  # RescaleSlope
    (_PIXELS, b"OW"),
)
_KINDS = dict(ATTRIBUTES)


def series(data: bytes) -> list[bytes]:
    """The files that the bytes describe; missing bytes count as 0."""
    rest = iter(data)

    def take() -> int:
        return next(rest, 0)

    files = []
    for number in range(data[0] % 8 + 1 if data else 0):
        if not number:
            take()
        values = usual(number)
        for _ in range(take() % 8):
            tag, _ = ATTRIBUTES[take() % len(ATTRIBUTES)]
            values[tag] = bytes(take() for _ in range(take() % 64))
        files.append(file(values))
    return files


def usual(number: int) -> dict[Tag, bytes]:
    """A typical slice of 4 columns and 3 rows."""
    return {
        (0x0008, 0x0016): _MR,
        (0x0008, 0x0018): b"1.2.3.%d" % number,
        (0x0008, 0x002A): b"20240517120000.25",
        (0x0010, 0x0020): b"patient-1",
        (0x0018, 0x0050): b"4",
        (0x0020, 0x000E): b"1.2.3",
        (0x0020, 0x0013): b"%d" % number,
        (0x0020, 0x0032): b"10\\20\\%d" % (5 * number),
        (0x0020, 0x0037): b"1\\0\\0\\0\\1\\0",
        (0x0028, 0x0002): struct.pack("<H", 1),
        (0x0028, 0x0004): b"MONOCHROME2",
        _ROWS: struct.pack("<H", 3),
        _COLUMNS: struct.pack("<H", 4),
        (0x0028, 0x0030): b"2\\1.5",
        (0x0028, 0x0100): struct.pack("<H", 16),
        (0x0028, 0x0101): struct.pack("<H", 16),
        (0x0028, 0x0102): struct.pack("<H", 15),
        (0x0028, 0x0103): struct.pack("<H", 1),
        _PIXELS: bytes(range(24)),
    }


def file(values: dict[Tag, bytes], syntax: bytes = b"1.2.840.10008.1.2.1") -> bytes:
    """A DICOM file with these attributes, explicit VR little-endian."""
    meta = element((0x0002, 0x0010), b"UI", syntax)
    meta = element((0x0002, 0x0000), b"UL", struct.pack("<I", len(meta))) + meta
    body = b"".join(element(tag, _KINDS[tag], values[tag]) for tag in sorted(values))
    return bytes(128) + b"DICM" + meta + body


def element(tag: Tag, kind: bytes, value: bytes) -> bytes:
    """One data element (PS3.5 7.1.2), padded to even length."""
    value += (b"\0" if kind in (b"UI", b"OW") else b" ") * (len(value) % 2)
    size = struct.pack("<HI", 0, len(value)) if kind == b"OW" else struct.pack("<H", len(value))
    return struct.pack("<HH", *tag) + kind + size + value
