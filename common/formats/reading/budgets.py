"""What reading one file may cost: processor time, wall time and memory."""

FILE_CPU_S = 10.0
FRAME_CPU_S = 0.1
FILE_WALL_S = 60.0
FRAME_WALL_S = 0.5
"""Wall time is several times the processor time: other processes, slow disks and networks."""

START_WALL_S = 120.0
"""The longest that a reader process may take to start."""

BASE_BYTES = 256 << 20
"""Memory of a reader process beside the volume that it reads, its libraries included."""

_FRAME_BYTES = 4 << 20
"""A few large frames cost as much as many small ones: so many bytes count as one."""
_HEADER_BYTES = 1 << 16
"""A frame has about so many bytes in its file: for files whose frames nobody has counted."""


def frames_of(frames: int, size: int) -> int:
    """The frames that a budget counts.

    Args:
        frames: slices of the volume, or frames of the file.
        size: bytes of all of them in memory.
    """
    return max(frames, size // _FRAME_BYTES)


def frames_in(file_size: int) -> int:
    """The frames that a file of ``file_size`` bytes may have, before its header was read."""
    return file_size // _HEADER_BYTES


def cpu_s(frames: int) -> float:
    """Seconds of processor time for one file or volume."""
    return FILE_CPU_S + FRAME_CPU_S * frames


def wall_s(frames: int) -> float:
    """Seconds for one file or volume, on a loaded machine."""
    return FILE_WALL_S + FRAME_WALL_S * frames


def memory_bytes(max_bytes: int) -> int:
    """Memory of a reader process.

    Args:
        max_bytes: the largest volume that it reads.
    """
    return max_bytes + BASE_BYTES
