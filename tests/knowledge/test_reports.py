"""Reports of browsers: both formats, and whatever anybody else may send."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.knowledge.reports import MOST, OTHER, Report, read_reports
from sidecar.policy.schema.csp import DIRECTIVES

pytestmark = pytest.mark.control("RS-2")

OLD = {
    "csp-report": {
        "document-uri": "https://shop.example/cart?token=7f3a#x",
        "violated-directive": "script-src 'self'",
        "blocked-uri": "https://evil.example/x.js?y",
        "disposition": "enforce",
    }
}
NEW = {
    "type": "csp-violation",
    "url": "https://shop.example/cart",
    "body": {
        "documentURL": "https://shop.example/cart?token=7f3a",
        "effectiveDirective": "script-src-elem",
        "blockedURL": "inline",
        "disposition": "report",
        "sample": "alert(1)",
    },
}


def read(value: object) -> list[Report] | None:
    return read_reports(json.dumps(value).encode())


def test_both_formats_are_read_and_queries_left_out() -> None:
    page = "https://shop.example/cart"
    assert read(OLD) == [Report("script-src", "enforce", page, "https://evil.example")]
    assert read([NEW, NEW]) == [Report("script-src-elem", "report", page, "inline")] * 2


def test_so_many_of_a_body_are_read() -> None:
    assert len(read([NEW] * (MOST + 5)) or ()) == MOST


@pytest.mark.parametrize(
    ("body", "report"),
    [
        pytest.param({}, Report(OTHER, OTHER, "", ""), id="nothing said"),
        pytest.param({"effectiveDirective": "x" * 9999}, Report(OTHER, OTHER, "", ""), id="long"),
        pytest.param({"effectiveDirective": 7}, Report(OTHER, OTHER, "", ""), id="a number"),
        pytest.param({"disposition": "hijack"}, Report(OTHER, OTHER, "", ""), id="made up"),
        pytest.param(
            {"documentURL": "https://u:hunter2@a.example/x?y"},
            Report(OTHER, OTHER, "https://a.example/x", ""),
            id="a password in the URL",
        ),
        pytest.param(
            {"documentURL": "https://u:hun@ter2@a.example/x@y", "blockedURL": "wss://@p@b.example"},
            Report(OTHER, OTHER, "https://a.example/x@y", "wss://b.example"),
            id="a password with an @",
        ),
        pytest.param({"documentURL": "javascript:x"}, Report(OTHER, OTHER, "", ""), id="a script"),
        pytest.param({"blockedURL": "data"}, Report(OTHER, OTHER, "", "data"), id="a scheme"),
        pytest.param({"blockedURL": "a b\n"}, Report(OTHER, OTHER, "", ""), id="no word"),
        pytest.param(
            {"blockedURL": "https://a.example/key/7f3a"},
            Report(OTHER, OTHER, "", "https://a.example"),
            id="a path that could be a secret",
        ),
        pytest.param(
            {"documentURL": "https://a.example/" + "x" * 999},
            Report(OTHER, OTHER, "https://a.example/" + "x" * 238, ""),
            id="a long URL",
        ),
    ],
)
def test_nothing_in_a_report_is_believed(body: object, report: Report) -> None:
    assert read([{"type": "csp-violation", "body": body}]) == [report]


@pytest.mark.parametrize(
    "item", [{"type": "deprecation", "body": {}}, {"type": "csp-violation", "body": []}, {}]
)
def test_reports_of_other_kinds_are_other(item: object) -> None:
    assert read([item]) == [Report(OTHER, OTHER, "", "")]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"x",
        b"7",
        b"null",
        b'"x"',
        b"{}",
        b'{"csp-report": 7}',
        b"[7]",
        b"[[]]",
        b"\xff",
        b"[" * 16_000,
        b'{"csp-report":' * 1000,
        b"1" * 16_000,
    ],
)
def test_what_is_no_report_is_none(content: bytes) -> None:
    assert read_reports(content) is None


def test_an_empty_list_is_no_harm() -> None:
    assert read([]) == []


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(
                    ["csp-report", "type", "body", "documentURL", "effectiveDirective"]
                ),
                inner | st.just("csp-violation"),
            )
        ),
    )
)
def test_every_label_is_one_of_ours(value: object) -> None:
    for report in read(value) or ():
        assert report.directive in DIRECTIVES | {OTHER}
        assert report.disposition in {"enforce", "report", OTHER}
