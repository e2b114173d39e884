"""A secret never prints."""

from collections.abc import Callable

import pytest

from sidecar.model.secret import Secret

HIDDEN = "hunter2"


@pytest.mark.parametrize(
    "shown",
    [
        pytest.param(str, id="str"),
        pytest.param(repr, id="repr"),
        pytest.param("{}".format, id="format"),
        pytest.param("{:>20}".format, id="a format with a width"),
        pytest.param("{!r}".format, id="a conversion"),
        pytest.param(lambda secret: f"{secret}", id="an f-string"),
        pytest.param(lambda secret: "%s %r" % (secret, secret), id="percent"),  # noqa: UP031 -- the form under test
        pytest.param(lambda secret: str([secret]), id="inside a list"),
        pytest.param(lambda secret: str(ValueError(secret)), id="inside an exception"),
    ],
)
def test_a_secret_hides_itself(shown: Callable[[Secret], str]) -> None:
    assert HIDDEN not in shown(Secret(HIDDEN.encode()))


def test_a_secret_is_revealed_where_it_is_used() -> None:
    assert Secret(HIDDEN.encode()).reveal() == b"hunter2"


def test_secrets_are_not_compared_by_value() -> None:
    one, other = Secret(b"a"), Secret(b"a")
    assert one != other
    assert one == one  # noqa: PLR0124 -- identity is the rule under test
    assert len({one, other, one}) == 2
