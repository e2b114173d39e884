"""The words for mistakes that no other test meets."""

from sidecar.policy.hints import Mistake, explain
from sidecar.policy.nodes import Entry, Mapping, Place


def test_a_kind_of_error_without_words_of_its_own_still_says_where_to_look() -> None:
    place = Place("p", 1, 1)
    entry = Entry(place, Mapping(place, {}))
    details = {"type": "url_parsing", "loc": ("a",), "msg": "secret", "input": "secret"}
    mistake = Mistake(details, ("a",), entry, is_key=False)  # type: ignore[arg-type] # TypedDict
    assert explain(mistake) == ("does not fit here", "see the schema: sidecar schema")
