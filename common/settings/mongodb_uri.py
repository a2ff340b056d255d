"""What a MongoDB URI says about the network, without PyMongo."""

from urllib.parse import parse_qsl, unquote

from common.settings.hosts import is_loopback


def is_plain_network(uri: str) -> bool:
    """Whether it names a host other than this machine, to be reached without TLS.

    A URI that is none is left to PyMongo, which refuses it. The members that a replica set names
    are not known here; TLS, if it is on, applies to them too.
    """
    scheme, _, rest = uri.partition("://")
    place, _, query = rest.partition("?")
    options = {name.lower(): value for name, value in parse_qsl(query.replace(";", "&"))}
    tls = options.get("tls", options.get("ssl", "true" if scheme == "mongodb+srv" else "false"))
    if tls == "true":
        return False
    hosts = [_split(host) for host in place.partition("/")[0].rpartition("@")[2].split(",") if host]
    if any(port and not port.isdecimal() for _, port in hosts):
        return False  # no URI: perhaps a password with a slash
    return any(not _is_here(unquote(host)) for host, _ in hosts)


def _split(place: str) -> tuple[str, str]:
    """Host and port; the port may be empty."""
    if place.startswith("["):
        host, _, rest = place[1:].partition("]")
        return host, rest.removeprefix(":")
    host, _, port = place.partition(":")
    return host, port


def _is_here(host: str) -> bool:
    return host.endswith(".sock") or host.lower() == "localhost" or is_loopback(host)
