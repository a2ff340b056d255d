import pytest

from common.settings.mongodb_uri import is_plain_network

HERE = [
    "mongodb://127.0.0.1:27017/",
    "mongodb://localhost/",
    "mongodb://LOCALHOST:1,127.0.0.1:2,[::1]:3/?replicaSet=rs",
    "mongodb://[::1]",
    "mongodb://user:pa%40ss@127.0.0.1/fr?authSource=admin",
    "mongodb://%2Fsome%2Ffolder%2Fmongodb.sock/?directConnection=true",
]
ELSEWHERE = [
    "mongodb://db.example/",
    "mongodb://fr:horse@db.example:27017/fr?replicaSet=rs",
    "mongodb://127.0.0.1:27017,db.example:27017/",
    "mongodb://10.0.0.1",
    "mongodb://[2001:db8::1]:27017/",
    "mongodb://127.0.0.1.example/",
    "mongodb://127.0.0.1@db.example/",
    "mongodb://db.example?w=1",
]


@pytest.mark.parametrize("uri", HERE)
def test_this_machine_needs_no_tls(uri: str) -> None:
    assert not is_plain_network(uri)


@pytest.mark.parametrize("uri", ELSEWHERE)
@pytest.mark.parametrize("option", ["", "tls=false", "TLS=false", "ssl=false", "tlsCAFile=a.pem"])
def test_another_host_without_tls_is_a_plain_network(uri: str, option: str) -> None:
    assert is_plain_network(with_option(uri, option))


@pytest.mark.parametrize("uri", ELSEWHERE)
@pytest.mark.parametrize("option", ["tls=true", "ssl=true", "TLS=true", "tlsCAFile=a&tls=true"])
def test_with_tls_any_host_will_do(uri: str, option: str) -> None:
    assert not is_plain_network(with_option(uri, option))


def test_a_name_for_several_hosts_has_tls_unless_it_is_turned_off() -> None:
    assert not is_plain_network("mongodb+srv://db.example/")
    assert is_plain_network("mongodb+srv://db.example/?tls=false")


@pytest.mark.parametrize(
    "uri",
    ["", "mongodb://", "nonsense", "mongodb:///?", "://", "mongodb://unit:s3cr3t/s@host/"],
)
def test_what_is_no_uri_is_left_to_pymongo(uri: str) -> None:
    assert not is_plain_network(uri)


def with_option(uri: str, option: str) -> str:
    return uri + ("&" if "?" in uri else "?") + option
