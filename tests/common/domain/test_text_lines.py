"""Foreign text stays on its line; long lines are wrapped."""

from common.domain.text_lines import LINE_WIDTH, one_line, wrapped


def test_foreign_text_adds_no_line() -> None:
    assert one_line("a\r\nb\x1b[1m\tc") == "a b [1m c"


def test_further_lines_are_indented_like_the_first() -> None:
    lines = wrapped("Limits:    ", "word " * 50).splitlines()
    assert len(lines) > 1
    assert all(len(line) <= LINE_WIDTH for line in lines)
    assert all(line.startswith(" " * 11 + "word") for line in lines[1:])
