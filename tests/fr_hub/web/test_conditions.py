"""ETags tell whether a client has what it asks for."""

from starlette.requests import Request

from fr_hub.web.conditions import etag_of, is_known


def request(value: str) -> Request:
    headers = [(b"if-none-match", value.encode())] if value else []
    return Request({"type": "http", "headers": headers})


def test_a_client_that_has_the_content_need_not_get_it_again() -> None:
    etag = etag_of("a")
    assert etag == etag_of(b"a") != etag_of("b")
    for known in (etag, f"W/{etag}", f'"x", {etag}', "*"):
        assert is_known(request(known), etag)
    for other in ("", '"x"', etag.strip('"')):
        assert not is_known(request(other), etag)
