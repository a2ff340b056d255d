"""The syslog sender against a real server over TLS."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from common.errors import FrError, PeerAway, ProtocolError, SettingsError
from common.wire.syslog import SyslogStream, frame, syslog_context
from tests.common.wire.tls_files import issued
from tests.running import free_port
from tests.syslog_receiver import SyslogReceiver

AT = datetime(2026, 1, 31, 8, 0, 0, 5000, tzinfo=UTC)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return issued(tmp_path_factory.mktemp("tls"), "localhost", "fr-hub")


def send(folder: Path, port: int, *frames: bytes, host: str = "localhost") -> None:
    stream = SyslogStream((host, port), syslog_context(folder / "ca.pem", None, None), 10)
    for one in frames:
        stream.send(one)
    stream.finish()


def test_a_frame_is_a_message_after_its_length() -> None:
    made = frame("<é/>".encode(), AT, 4, "höst name")
    length, _, message = made.partition(b" ")
    assert int(length) == len(message)
    header, xml = message.split(b"\xef\xbb\xbf")
    assert header == b"<84>1 2026-01-31T08:00:00.005Z hstname fr - DICOM+RFC3881 - "
    assert xml.decode() == "<é/>"
    assert re.match(rb"\d+ <85>", frame(b"", AT, 0, "h"))
    assert re.match(rb"\d+ <83>", frame(b"", AT, 8, "h"))


@pytest.mark.parametrize("says_end", [True, False])
def test_what_the_server_has_read_to_its_end_is_sent(folder: Path, says_end: bool) -> None:
    frames = [frame(b"x" * n, AT, 0, "h") for n in (1, 100_000)]
    with SyslogReceiver(folder, says_end=says_end) as server:
        send(folder, server.port, *frames)
        assert [len(one) for one in server.messages] == [
            len(one.partition(b" ")[2]) for one in frames
        ]
        assert server.certificates == [None]


def test_it_shows_its_certificate_where_it_has_one(folder: Path) -> None:
    context = syslog_context(folder / "ca.pem", folder / "fr-hub.pem", folder / "fr-hub.key")
    with SyslogReceiver(folder) as server:
        SyslogStream(("localhost", server.port), context, 10).finish()
        [shown] = server.certificates
    assert "fr-hub" in str(shown)


def test_what_a_server_has_not_read_to_its_end_is_not_sent(folder: Path) -> None:
    with SyslogReceiver(folder, breaks_after=0) as server, pytest.raises(PeerAway):
        send(folder, server.port, frame(b"x" * 1000, AT, 0, "h"))
    with pytest.raises(PeerAway):
        send(folder, free_port())


def test_a_server_of_another_name_or_authority_is_refused(folder: Path, tmp_path: Path) -> None:
    with SyslogReceiver(folder) as server:
        with pytest.raises(ProtocolError, match="certificate is refused"):
            send(folder, server.port, host="127.0.0.1")
        with pytest.raises(ProtocolError, match="certificate is refused"):
            send(issued(tmp_path, "fr-hub"), server.port)
        assert not server.connections


def test_a_name_that_is_none_is_an_error_of_ours(folder: Path) -> None:
    with pytest.raises(FrError):
        send(folder, 1, host="a" * 300)


def test_files_that_cannot_be_used_are_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="AUDIT_SYSLOG_CA"):
        syslog_context(tmp_path / "none.pem", None, None)
    (tmp_path / "text.pem").write_text("text")
    with pytest.raises(SettingsError, match=r"AUDIT_SYSLOG_CA.*not a certificate"):
        syslog_context(tmp_path / "text.pem", None, None)
    with pytest.raises(SettingsError, match=r"AUDIT_SYSLOG_KEY.*none\.key"):
        syslog_context(folder / "ca.pem", folder / "fr-hub.pem", tmp_path / "none.key")
    open_key = tmp_path / "open.key"
    open_key.write_bytes((folder / "fr-hub.key").read_bytes())
    open_key.chmod(0o644)
    with pytest.raises(SettingsError, match="AUDIT_SYSLOG_KEY"):
        syslog_context(folder / "ca.pem", folder / "fr-hub.pem", open_key)
    with pytest.raises(SettingsError, match="AUDIT_SYSLOG_CERT"):
        syslog_context(folder / "ca.pem", tmp_path / "text.pem", folder / "fr-hub.key")
