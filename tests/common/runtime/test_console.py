import io

import pytest
from rich.text import Text

from common.runtime.console import Console, Table, colored_line, write_csv, write_text

HARMFUL = "\x1b[2J\x9b1m\u202e\r\n\u2028\udc80 [/] [bold]x[/bold] :smile: [link=http://a]b[/link]"


def printed(thing: object, **given: object) -> str:
    out = io.StringIO()
    console = Console(file=out, width=400, force_terminal=True, color_system=None)
    console.print(thing, **given)  # type: ignore[arg-type]
    return out.getvalue()


def harmless(text: str) -> None:
    assert all(line.isprintable() for line in text.split("\n")), text
    for told in ("[/]", "[bold]x[/bold]", ":smile:", "[link=http://a]b[/link]", "\\u202e"):
        assert told in text, told


def test_a_string_is_data() -> None:
    shown = printed(HARMFUL)
    harmless(shown)
    assert shown.count("\n") == 1


@pytest.mark.parametrize("style", ["red", "bold green"])
def test_a_style_is_for_the_whole_string(style: str) -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, color_system="standard")
    console.print("failed: [/]", style=style)
    assert "\x1b[" in out.getvalue()
    assert "failed: [/]" in out.getvalue()


def test_cells_titles_and_headers_of_a_table_are_data() -> None:
    made = Table(HARMFUL, "b", title=HARMFUL)
    made.add_row(HARMFUL, "2")
    shown = printed(made)
    harmless(shown)
    assert shown.count("[/]") == 3


def test_a_cell_of_300_000_escapes_is_cut() -> None:
    made = Table("cause", title="Failed")
    made.add_row("\x1b" * 300_000)
    assert len(printed(made)) < 10_000


def test_a_line_of_a_unit_keeps_its_colors_and_nothing_else() -> None:
    line = "\x1b[32minfo\x1b[0m \x1b[2J\x1b]0;title\x07\x9b1m\u202e [/]"
    text = colored_line(line)
    assert text.plain == "info \\x1b[2J\\x1b]0;title\\x07\\x9b1m\\u202e [/]"
    assert [str(span.style) for span in text.spans] == ["color(2)"]
    assert isinstance(text, Text)


def test_a_line_of_a_unit_is_cut() -> None:
    assert len(colored_line("\x1b" * 300_000).plain) <= 4096
    assert len(colored_line("\x1b[1m" * 300_000).plain) <= 4096


def test_plain_text_keeps_its_lines(capsys: pytest.CaptureFixture[str]) -> None:
    write_text("first\nsecond \x1b[2J\n")
    assert capsys.readouterr().out == "first\nsecond \\x1b[2J\n"


def test_no_cell_of_a_table_is_a_formula(capsys: pytest.CaptureFixture[str]) -> None:
    write_csv(["a"], [{"a": "=x"}, {"a": "\uff1dx"}, {"a": "x;=y;z"}])
    assert capsys.readouterr().out.splitlines() == ["a", "'=x", "'\uff1dx", "x; =y;z"]
