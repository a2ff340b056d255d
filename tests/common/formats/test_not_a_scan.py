from common.formats.not_a_scan import NotAScan


def test_the_reason_says_what_the_file_is_instead() -> None:
    error = NotAScan("structured_report")
    assert str(error) == "not a scan, but a structured report"
    assert error.kind == "structured_report"
