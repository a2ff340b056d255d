"""What reading may cost follows the scan limit and the number of frames."""

from common.formats.reading import budgets


def test_processor_time_is_10_s_a_file_and_a_tenth_a_frame() -> None:
    assert budgets.cpu_s(0) == 10
    assert budgets.cpu_s(1800) == 190


def test_memory_is_the_scan_limit_and_256_mib() -> None:
    assert budgets.memory_bytes(2 << 30) == (2 << 30) + (256 << 20)


def test_a_few_large_frames_count_as_many() -> None:
    assert budgets.frames_of(1, 2 << 30) == 512
    assert budgets.frames_of(1800, 1 << 20) == 1800
    assert budgets.frames_in(512 * 512 * 2) == 8


def test_wall_time_leaves_room_for_a_loaded_machine() -> None:
    for frames in (0, 1, 1800):
        assert budgets.wall_s(frames) >= 5 * budgets.cpu_s(frames)
