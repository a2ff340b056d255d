"""Forms are parsed as they come, whole or byte by byte."""

import pytest

from fr_hub.web.uploads.multipart import BadForm, FormFiles

TYPE = "multipart/form-data; boundary=BOUND"
FORM = (
    b'--BOUND\r\nContent-Disposition: form-data; name="field"\r\n\r\nignored\r\n'
    b'--BOUND\r\nContent-Disposition: form-data; name="file"; filename="a\xc3\xbc.nii"\r\n'
    b"Content-Type: application/octet-stream\r\n\r\none\r\n--BOUN two\r\n"
    b'--BOUND\r\nContent-Disposition: form-data; name="file"; filename=""\r\n\r\n\r\n--BOUND--\r\n'
)


def parsed(*pieces: bytes, most: int = 9) -> dict[str, bytes]:
    files: dict[str, bytes] = {}

    def begin(name: str) -> None:
        files[name] = b""

    def data(piece: bytes) -> None:
        files[list(files)[-1]] += piece

    form = FormFiles(TYPE, begin, data, most)
    for piece in pieces:
        form.write(piece)
    form.end()
    return files


def test_the_files_of_a_form_are_found() -> None:
    expected = {"aü.nii": b"one\r\n--BOUN two", "": b""}
    assert parsed(FORM) == expected
    assert parsed(*(FORM[n : n + 1] for n in range(len(FORM)))) == expected


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (FORM[:-12], "cut off"),
        (b"--BOUND--\r\n", "no file|not the form"),
        (b"JANE-DOE", "not the form"),
        (b"--BOUND\r\n" + b"X: " + b"y" * 100_000, "not the form"),
        (b"--BOUND\r\n" + b"X: y\r\n" * 1000, "not the form"),
    ],
)
def test_what_is_no_form_is_refused(body: bytes, told: str) -> None:
    with pytest.raises(BadForm, match=told) as refused:
        parsed(body)
    assert "JANE" not in str(refused.value)


def test_more_files_than_allowed_are_refused() -> None:
    with pytest.raises(BadForm, match="more than 1 files"):
        parsed(FORM, most=1)


@pytest.mark.parametrize("kind", ["", "text/plain", "multipart/form-data", f"{TYPE}{'x' * 500}"])
def test_other_content_types_are_refused(kind: str) -> None:
    with pytest.raises(BadForm):
        FormFiles(kind, lambda _: None, lambda _: None)
