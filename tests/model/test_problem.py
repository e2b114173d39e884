"""What a client sees of a refusal: one code, one sequence of bytes, and never the reason."""

import json
from html.parser import HTMLParser

import pytest

from sidecar.model.body import Fault
from sidecar.model.problem import Faces, fill_template, problem_body, problem_page
from sidecar.model.refusals import REFUSALS, RefusalCode

ALL = list(RefusalCode)


def test_every_code_has_its_row() -> None:
    assert set(REFUSALS) == set(RefusalCode)


@pytest.mark.parametrize("code", ALL)
def test_a_refusal_is_a_problem_document(code: RefusalCode) -> None:
    document = json.loads(problem_body(code))
    assert document == {
        "type": f"urn:tenant-sidecar:problem:{code.lower()}",
        "title": REFUSALS[code].title,
        "status": REFUSALS[code].status,
        "code": code.value,
    }


@pytest.mark.parametrize("code", ALL)
def test_a_row_of_the_table_can_be_read(code: RefusalCode) -> None:
    row = REFUSALS[code]
    assert 400 <= row.status <= 599
    assert row.title[0].isupper()
    assert row.when


class Reader(HTMLParser):
    """Collects the text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("code", ALL)
def test_a_person_sees_a_page(code: RefusalCode) -> None:
    reader = Reader()
    reader.feed(problem_page(code).decode())
    assert REFUSALS[code].title in reader.text
    assert str(REFUSALS[code].status) in reader.text
    assert "{" not in reader.text


def test_a_template_is_filled_in_and_nothing_else_is_touched() -> None:
    filled = fill_template("{status} {code} {title} {status} {other} {}", RefusalCode.NOT_FOUND)
    assert filled == b"404 NOT_FOUND Not found 404 {other} {}"


def test_who_navigates_gets_the_page_and_others_the_document() -> None:
    faces = Faces({}, {})
    assert faces.of(RefusalCode.FORBIDDEN, navigates=True) == (
        b"text/html; charset=utf-8", problem_page(RefusalCode.FORBIDDEN),
    )  # fmt: skip
    assert faces.of(RefusalCode.FORBIDDEN, navigates=False) == (
        b"application/problem+json", problem_body(RefusalCode.FORBIDDEN),
    )  # fmt: skip


FAULTS = (
    Fault("/items/3/text", "must have 1 characters or more"),
    Fault("", "lacks the member id"),
)


def test_a_refusal_names_the_places_of_a_body_and_nothing_else_of_it() -> None:
    code = RefusalCode.UNPROCESSABLE
    document = json.loads(Faces({}, {}).of(code, FAULTS, navigates=False)[1])
    assert document == {
        **json.loads(problem_body(code)),
        "errors": [
            {"pointer": "/items/3/text", "detail": "must have 1 characters or more"},
            {"pointer": "", "detail": "lacks the member id"},
        ],
    }
    assert Faces({}, {}).of(code, FAULTS, navigates=True)[1] == problem_page(code)


def test_a_body_of_the_policy_s_own_names_no_places() -> None:
    own = Faces({RefusalCode.UNPROCESSABLE: "{code}"}, {})
    assert own.of(RefusalCode.UNPROCESSABLE, FAULTS, navigates=False)[1] == b"UNPROCESSABLE"


def test_the_policy_s_own_bodies_stand_for_their_codes_alone() -> None:
    faces = Faces({RefusalCode.FORBIDDEN: '{"c":"{code}"}'}, {RefusalCode.NOT_FOUND: "<{title}>"})
    assert faces.of(RefusalCode.FORBIDDEN, navigates=False)[1] == b'{"c":"FORBIDDEN"}'
    assert faces.of(RefusalCode.NOT_FOUND, navigates=True)[1] == b"<Not found>"
    assert b"FORBIDDEN" in faces.of(RefusalCode.FORBIDDEN, navigates=True)[1]
    assert b"urn:" in faces.of(RefusalCode.NOT_FOUND, navigates=False)[1]
