"""Writes the files of a multipart form to the disk as they come, and holds none of them."""

from collections.abc import Callable

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError, MultipartParseError
from python_multipart.multipart import parse_options_header

FILES_MAX = 20_000
"""Most files of one upload."""


class BadForm(Exception):
    """The body is no multipart form with files; the text says what is wrong."""


class FormFiles:
    """The files in the body of a request. Other fields are ignored.

    Args:
        content_type: of the request; it has the boundary.
        begin: called with the name of each file.
        data: called with each piece of the last file.
        most: files in the form.

    Raises:
        BadForm: the content type is none of a form.
    """

    def __init__(
        self,
        content_type: str,
        begin: Callable[[str], None],
        data: Callable[[bytes], None],
        most: int = FILES_MAX,
    ) -> None:
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if kind != b"multipart/form-data" or not boundary:
            raise BadForm("send the files as multipart/form-data, as curl -F file=@a.nii does")
        self._begin, self._data, self._most = begin, data, most
        self._field, self._value, self._disposition = b"", b"", b""
        self._in_file = False
        self._ended = False
        self.files = 0
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._on_part_begin,
                    "on_header_field": self._on_header_field,
                    "on_header_value": self._on_header_value,
                    "on_header_end": self._on_header_end,
                    "on_headers_finished": self._on_headers_finished,
                    "on_part_data": self._on_part_data,
                    "on_end": self._on_end,
                },
            )
        except FormParserError as error:
            raise BadForm("the boundary of the form is too long") from error

    def write(self, body: bytes) -> None:
        """Parse the next piece of the body.

        Raises:
            BadForm: it is no form.
        """
        try:
            self._parser.write(body)
        except MultipartParseError as error:
            raise BadForm("the body is not the form that its content type declares") from error

    def end(self) -> None:
        """Check that the form is complete.

        Raises:
            BadForm: it is cut off, or has no file.
        """
        if not self._ended:
            raise BadForm("the form is cut off: send it again")
        if not self.files:
            raise BadForm("the form has no file: give its part a file name")

    def _on_part_begin(self) -> None:
        self._disposition, self._in_file = b"", False

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        if self._field.lower() == b"content-disposition":
            self._disposition = self._value
        self._field = self._value = b""

    def _on_headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition.decode("latin-1"))
        if b"filename" not in options:
            return
        if self.files >= self._most:
            raise BadForm(f"more than {self._most:,} files for its size: send fewer at a time")
        self.files += 1
        self._in_file = True
        self._begin(options[b"filename"].decode(errors="replace"))

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self._data(data[start:end])

    def _on_end(self) -> None:
        self._ended = True
