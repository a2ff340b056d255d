"""Hosts and addresses in settings."""

import ipaddress
from typing import Annotated

from pydantic import AfterValidator

Address = tuple[str, int]


def is_loopback(host: str) -> bool:
    """Whether this is an address whose traffic stays on this machine. A name never is: who may
    answer for it is for others to say."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def named_host(host: str) -> str:
    """The host that a setting means: ``localhost`` is 127.0.0.1, whatever a name server says."""
    return "127.0.0.1" if host.lower().rstrip(".") == "localhost" else host


Host = Annotated[str, AfterValidator(named_host)]


def split_address(text: str) -> Address:
    """Split ``host:port`` or ``[IPv6]:port`` into host and port.

    Raises:
        ValueError: the text has another form.
    """
    host, port = split_name(text)
    return named_host(host), port


def split_name(text: str) -> Address:
    """As ``split_address``, with the host as it is written, which a certificate must name.

    Raises:
        ValueError: the text has another form.
    """
    host, _, port = text.strip().rpartition(":")
    host = host.strip("[]")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"{text!r} is not an address: write host:port, such as 127.0.0.1:7302")
    return host, int(port)
