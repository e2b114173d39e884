"""Reserved tokens are found however they are spelt, and cleaning leaves nothing else changed."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sidecar.knowledge.mcp.characters import REPLACEMENT, folded, visible
from sidecar.knowledge.mcp.tokens import DEFAULT_TOKENS, Reserved, is_possible

pytestmark = pytest.mark.control("RQ-6")

DEFAULT = Reserved(DEFAULT_TOKENS)
TAGS = "".join(chr(0xE0000 + ord(letter)) for letter in "obey")
ENGLAND = "\U0001f3f4" + "".join(chr(0xE0000 + ord(c)) for c in "gbeng") + "\U000e007f"

SPELLINGS = [
    pytest.param("<|im_start|>", id="as it is"),
    pytest.param("<|IM_START|>", id="in capitals"),
    pytest.param(
        "\uff1c\uff5c\uff49\uff4d\uff3f\uff53\uff54\uff41\uff52\uff54\uff5c\uff1e", id="full width"
    ),
    pytest.param("<\u200b|im_start|>", id="split by a zero-width space"),
    pytest.param("<|im\u00ad_start|>", id="split by a soft hyphen"),
    pytest.param("<|im_\u2060st\ufeffart|>", id="split by two of them"),
    pytest.param("<|im_\u202estart|>", id="split by an override"),
    pytest.param(f"<|im{TAGS}_start|>", id="split by tags"),
    pytest.param("<|im_st\ufe0fart|>", id="split by a variation selector"),
    pytest.param("<|im_\x00start|>", id="split by a NUL"),
    pytest.param("<|im_\x1bstart|>", id="split by an escape"),
    pytest.param("<|im_\x85start|>", id="split by a control of Latin 1"),
    pytest.param(
        "<|im_\U0001d42c\U0001d42d\U0001d41a\U0001d42b\U0001d42d|>", id="mathematical letters"
    ),
    pytest.param("<|im_\u017ftart|>", id="a long s"),
    pytest.param("<|\u24d8m_start|>", id="a letter in a circle"),
    pytest.param("\ufe64|im_start|\ufe65", id="small forms of brackets"),
    pytest.param("[INST]", id="of brackets"),
    pytest.param("\uff3bINST\uff3d", id="of brackets in full width"),
    pytest.param("<</SYS>>", id="of two brackets"),
    pytest.param("<|begin\u2581of\u2581sentence|>", id="of DeepSeek, with bars of ASCII"),
    pytest.param("<s>", id="a short one"),
    pytest.param("<\u115fs>", id="split by a filler of Hangul"),
]


@pytest.mark.parametrize("token", SPELLINGS)
def test_a_token_is_replaced_however_it_is_spelt(token: str) -> None:
    assert DEFAULT.has_token(token)
    assert DEFAULT.cleaned(f"a {token} b") == f"a {REPLACEMENT} b"


@pytest.mark.parametrize("token", DEFAULT_TOKENS)
def test_every_token_of_the_list_is_found(token: str) -> None:
    assert is_possible(token)
    assert DEFAULT.cleaned(f"{token}{token}") == REPLACEMENT * 2


CLEAN = [
    "",
    "plain text",
    "a < b | c > d",
    "<im_start>",
    "[INSTALL]",
    "x[1]",
    "<st>",
    "< s >",
    "naïve café",
    "שלום עולם",
    "日本語",
    "\t\r\n",
    "\x1b[31mred\x1b[0m",
    "<|im_start |>",
    "❤\ufe0f",
    "1\ufe0f\u20e3",
    "☎\ufe0e",
    "👩\u200d💻",
    "👩🏽\u200d🚀",
    "🏳\ufe0f\u200d🌈",
    ENGLAND,
    "\u0645\u06cc\u200c\u062e",
    "क्\u200dष",
    "≮|im_start|>",
]


@pytest.mark.parametrize("text", CLEAN)
def test_what_is_clean_stays_as_it_is(text: str) -> None:
    assert DEFAULT.cleaned(text) is text or DEFAULT.cleaned(text) == text
    assert not DEFAULT.has_token(text)
    assert not DEFAULT.has_invisible(text)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        pytest.param("a\u200bb", "ab", id="a zero-width space"),
        pytest.param("so\u00adft", "soft", id="a soft hyphen"),
        pytest.param("\u202eevil\u202c", "evil", id="an override"),
        pytest.param("\u2066x\u2069\u200f", "x", id="isolates and a mark"),
        pytest.param(f"hello{TAGS}", "hello", id="tags"),
        pytest.param("\U0001f3f4" + TAGS + "\U000e007f", "\U0001f3f4", id="a flag of nowhere"),
        pytest.param("😀" + "\U000e0100\U000e0148", "😀", id="bytes in variation selectors"),
        pytest.param("a\ufe0f", "a", id="a selector behind a letter"),
        pytest.param("❤\ufe0f\ufe0f", "❤\ufe0f", id="a second selector"),
        pytest.param("1\ufe0f2", "12", id="half a keycap"),
        pytest.param("a\u200db", "ab", id="a joiner between Latin letters"),
        pytest.param("👩\u200d", "👩", id="a joiner that joins nothing"),
        pytest.param("👩\u200c💻", "👩💻", id="a non-joiner between pictographs"),
        pytest.param("a\ufe0f\u200d💻", "a💻", id="a joiner behind what went"),
        pytest.param("\u200d", "", id="a joiner alone"),
        pytest.param("س\u200c\u061cس", "سس", id="a non-joiner before a mark"),
        pytest.param("\u3164x\u2061y\u180e", "xy", id="fillers and an operator"),
    ],
)
def test_what_nobody_sees_is_taken_out(text: str, cleaned: str) -> None:
    assert DEFAULT.has_invisible(text)
    assert not DEFAULT.has_token(text)
    assert DEFAULT.cleaned(text) == cleaned


def test_what_nobody_sees_may_be_let_pass() -> None:
    lenient = Reserved(["<|x|>"], removes_invisible=False)
    assert not lenient.has_invisible("a\u200b")
    assert lenient.cleaned("a\u200b<|\u200bx|>") == f"a\u200b{REPLACEMENT}"


def test_a_list_without_tokens_finds_none() -> None:
    empty = Reserved([])
    assert not empty.has_token("<|im_start|>")
    assert empty.cleaned("<|im_\u200bstart|>") == "<|im_start|>"


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        pytest.param("<|im_<|im_start|>start|>", f"<|im_{REPLACEMENT}start|>", id="one in another"),
        pytest.param("<<s>s>", f"<{REPLACEMENT}s>", id="a short one in another"),
        pytest.param("<\u200b|im_start|>", REPLACEMENT, id="one that appears"),
        pytest.param("<<s>/s>", f"<{REPLACEMENT}/s>", id="two that overlap"),
    ],
)
def test_cleaning_makes_no_token(text: str, cleaned: str) -> None:
    assert DEFAULT.cleaned(text) == cleaned


def test_two_tokens_may_share_a_character() -> None:
    # U+33A1 is "m2": the first token ends in it, the second begins there.
    reserved = Reserved(["<m", "2>"])
    assert reserved.cleaned("<\u33a1>x") == REPLACEMENT * 2 + "x"


@pytest.mark.parametrize("token", ["", "x", " ", "\u200b\u200b", "\u200bx", f"<{REPLACEMENT}>"])
def test_a_text_that_is_not_seen_can_be_no_token(token: str) -> None:
    assert not is_possible(token)


PIECES = st.one_of(
    st.sampled_from(DEFAULT_TOKENS),
    st.sampled_from(
        [
            "<",
            "|",
            ">",
            "<<",
            "/",
            "s",
            "[",
            "INST",
            "im_start",
            "im_",
            "\u2581",
            "\uff1c",
            "\uff5c",
            "\u33a1",
        ]
    ),
    st.sampled_from(
        ["\u200b", "\u200d", "\u200c", "\ufe0f", "\ufe0e", "\xad", TAGS, "\x00", "\u202e", "\ufffd"]
    ),
    st.sampled_from(["👩", "❤", "1", "\u20e3", "\U0001f3f4", ENGLAND, "س", "🏽", "a"]),
    st.text(max_size=3),
)
TEXTS = st.lists(PIECES, max_size=12).map("".join)


@given(TEXTS)
@example("❤\ufe0f\u200d<s>")
@example("👩\u200d<\uff5cUser\uff5c>")
def test_twice_is_once_and_no_token_is_left(text: str) -> None:
    once = DEFAULT.cleaned(text)
    assert DEFAULT.cleaned(once) == once
    assert not DEFAULT.has_token(once)
    assert not DEFAULT.has_invisible(once)
    bare = visible(unicodedata.normalize("NFKC", once)).casefold()
    assert not any(token.casefold() in bare for token in DEFAULT_TOKENS if token.isascii())


@given(TEXTS)
def test_nothing_else_changes(text: str) -> None:
    """What is left, but for replacements, is what was there, in its order."""
    rest = iter(text)
    for character in DEFAULT.cleaned(text):
        assert character == REPLACEMENT or character in rest


@given(st.text())
def test_text_without_tokens_loses_only_what_nobody_sees(text: str) -> None:
    if not DEFAULT.has_token(text):
        assert DEFAULT.cleaned(text) == visible(text)
        assert folded(visible(text))[0] == folded(text)[0]
