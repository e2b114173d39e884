"""Origins as the policy writes them, and as browsers send them."""

import pytest

from sidecar.policy.schema.origins import is_local, parse_listed, parse_origin
from sidecar.policy.schema.words import PydanticCustomError


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("https://app.example", "https://app.example"),
        ("HTTPS://App.Example", "https://app.example"),
        ("https://app.example:443", "https://app.example"),
        ("http://app.example:80", "http://app.example"),
        ("http://app.example:443", "http://app.example:443"),
        ("https://app.example:8443", "https://app.example:8443"),
        ("https://app.example:08443", "https://app.example:8443"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("https://BÜCHER.example", "https://xn--bcher-kva.example"),
        ("https://straße.example", "https://xn--strae-oqa.example"),
        ("https://bücher。example", "https://xn--bcher-kva.example"),
        ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
        ("https://*.bücher.example", "https://*.xn--bcher-kva.example"),
        ("https://*.example.com:8443", "https://*.example.com:8443"),
        ("http://*.localhost:3000", "http://*.localhost:3000"),
        ("https://*.shop.co.uk", "https://*.shop.co.uk"),
        ("https://*.myamazonaws.com", "https://*.myamazonaws.com"),
        ("https://b.s3.amazonaws.com", "https://b.s3.amazonaws.com"),
        ("https://*.site.netlify.app", "https://*.site.netlify.app"),
        ("https://*.go.example", "https://*.go.example"),
        ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("http://[2001:DB8:0:0::1]", "http://[2001:db8::1]"),
        ("http://[::ffff:192.0.2.1]", "http://[::ffff:c000:201]"),
        ("https://under_score.example", "https://under_score.example"),
    ],
)
def test_an_origin_is_kept_as_browsers_send_it(written: str, sent: str) -> None:
    assert parse_origin(written) == sent
    assert parse_origin(sent) == sent


@pytest.mark.parametrize(
    "written",
    [
        "", "null", "NULL", "*", "https://", "https:app.example", "//app.example", "app.example",
        "ftp://app.example", "file://", "about:blank", "chrome-extension://abc",
        "wss://app.example", "https://app.example/", "https://app.example/a",
        "https://app.example?", "https://app.example#", "https://me@app.example",
        "https://app.example:", "https://app.example:x", "https://app.example:0",
        "https://app.example:65536", "https://app.example:-1", "https://app.example.",
        "https://.app.example", "https://app..example", "https://-a.example", "https://a-.example",
        "https://app.example,https://b.example", "https://a b.example", "https://a.example ",
        " https://a.example", "https://a.example\n", "https://a%2e.example", "https://a\\b.example",
        "https://[::1", "https://::1", "https://[::g]", "https://[:::1]", "https://127.1",
        "https://0x7f.1", "https://010.0.0.1", "https://1.2.3.0x4", "https://256.1.1.1",
        "https://*", "https://*.", "https://*example.com", "https://a.*.example",
        "https://*.*.example", "https://a*.example.com", "https://*.com", "https://*.co.uk",
        "https://*.com.au", "https://*.github.io", "https://*.vercel.app:8443",
        "https://*.amazonaws.com", "https://*.s3.amazonaws.com", "https://*.a.run.app",
        "https://*.s3.eu-central-1.amazonaws.com:8443", "https://*.z6.web.core.windows.net",
        "https://*.westeurope.azurestaticapps.net", "https://*.amplifyapp.com", "https://*.r2.dev",
        "https://*.127.0.0.1", "https://*.[::1]", "https://*.gov.uk",
        "https://" + "a" * 64 + ".example", "https://" + "a." * 126 + "aa", "https://xn--.☃",
        "https://a☃..example",
    ],
)  # fmt: skip
def test_what_no_page_s_origin_is_is_refused(written: str) -> None:
    with pytest.raises(PydanticCustomError):
        parse_origin(written)


def test_everybody_is_no_origin_but_may_be_listed() -> None:
    assert parse_listed("*") == "*"
    assert parse_listed("https://a.example:443") == "https://a.example"


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        ("http://localhost", True),
        ("http://localhost:3000", True),
        ("http://app.localhost:3000", True),
        ("http://*.localhost", True),
        ("http://127.0.0.1:8080", True),
        ("http://127.9.9.9", True),
        ("http://[::1]", True),
        ("http://[::1]:3000", True),
        ("http://[::2]", False),
        ("http://localhost.example", False),
        ("http://mylocalhost", False),
        ("http://127.0.0.1.example", False),
        ("http://app.example", False),
    ],
)
def test_the_visitor_s_own_machine_is_known(origin: str, *, expected: bool) -> None:
    assert is_local(origin) is expected
