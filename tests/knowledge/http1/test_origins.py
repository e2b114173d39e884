"""Origins as browsers write them: one spelling each, and nothing that two readers read apart."""

import pytest

from sidecar.knowledge.http1.origins import origin_at, read_origin, read_origin_of_url


@pytest.mark.parametrize(
    ("written", "origin"),
    [
        (b"https://shop.example", b"https://shop.example"),
        (b"https://SHOP.example", b"https://shop.example"),
        (b"https://shop.example:443", b"https://shop.example"),
        (b"http://shop.example:80", b"http://shop.example"),
        (b"https://shop.example:80", b"https://shop.example:80"),
        (b"http://localhost:3000", b"http://localhost:3000"),
        (b"https://[2001:db8::1]:8443", b"https://[2001:db8::1]:8443"),
        (b"https://xn--bcher-kva.example", b"https://xn--bcher-kva.example"),
        (b"https://shop_1.example", b"https://shop_1.example"),
    ],
)
def test_an_origin_has_one_spelling(written: bytes, origin: bytes) -> None:
    assert read_origin(written) == origin


@pytest.mark.parametrize(
    "written",
    [
        b"",
        b"null",
        b"*",
        b"shop.example",
        b"//shop.example",
        b"https:shop.example",
        b"https://",
        b"https://shop.example/",
        b"https://shop.example/x",
        b"https://shop.example?x",
        b"https://shop.example#x",
        b"https://user@shop.example",
        b"https://shop.example@evil.example",
        b"https://shop.example:",
        b"https://shop.example:0443",
        b"https://shop.example:999999",
        b"https://shop.example:-1",
        b"https://shop.example https://evil.example",
        b"https://shop.example, https://evil.example",
        b"https://shop.example\\evil.example",
        b"https://shop.example%00.evil.example",
        b"https://shop.example\t",
        b"https://b\xc3\xbccher.example",
        b"ftp://shop.example",
        b"chrome-extension://abcdef",
        b"file://",
    ],
)
def test_what_is_no_origin_of_the_web_is_none(written: bytes) -> None:
    assert read_origin(written) is None


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        (b"https://shop.example/cart?x=1#y", b"https://shop.example"),
        (b"https://shop.example", b"https://shop.example"),
        (b"https://shop.example?x", b"https://shop.example"),
        (b"https://shop.example:8443/", b"https://shop.example:8443"),
        (b"https://evil.example/https://shop.example/", b"https://evil.example"),
        (b"https://evil.example?https://shop.example/", b"https://evil.example"),
        (b"https://shop.example@evil.example/", None),
        (b"https://shop.example:pass@evil.example/", None),
        (b"https://evil.example\\@shop.example/", None),
        (b"about:blank", None),
        (b"/cart", None),
        (b"https:///shop.example/", None),
    ],
)
def test_a_url_has_the_origin_that_browsers_give_it(url: bytes, origin: bytes | None) -> None:
    assert read_origin_of_url(url) == origin


@pytest.mark.parametrize(
    ("is_secure", "authority", "origin"),
    [
        (True, b"shop.example", b"https://shop.example"),
        (False, b"shop.example", b"http://shop.example"),
        (True, b"shop.example:443", b"https://shop.example"),
        (True, b"Shop.Example:8443", b"https://shop.example:8443"),
        (True, b"user@shop.example", None),
        (True, b"", None),
    ],
)
def test_a_request_is_for_an_origin(
    is_secure: bool, authority: bytes, origin: bytes | None
) -> None:
    assert origin_at(authority, is_secure=is_secure) == origin
