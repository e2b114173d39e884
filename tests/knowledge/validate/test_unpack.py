"""A compressed body is unpacked within bounds, wholly, or not at all."""

import gzip
import zlib

import pytest

from sidecar.knowledge.validate.json_text import UnfitError
from sidecar.knowledge.validate.unpack import BombError, Unpacking, unpacked
from sidecar.model.body import Coding

TEXT = b'{"a":1}'
BOUNDS = Unpacking(1_000_000, 100)
PACKED = {
    Coding.IDENTITY: TEXT,
    Coding.GZIP: gzip.compress(TEXT),
    Coding.DEFLATE: zlib.compress(TEXT),
}


@pytest.mark.parametrize("coding", Coding)
def test_a_coding_is_undone(coding: Coding) -> None:
    assert unpacked(PACKED[coding], coding, BOUNDS) == TEXT


def raw(text: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(text) + packer.flush()


NO_GZIP = "the body is not gzip"
SHORT = "the gzip of the body is cut short"
MORE = "something follows the gzip of the body"


@pytest.mark.control("RQ-3")
@pytest.mark.parametrize(
    ("content", "coding", "reason"),
    [
        pytest.param(TEXT, Coding.GZIP, NO_GZIP, id="plain"),
        pytest.param(PACKED[Coding.DEFLATE], Coding.GZIP, NO_GZIP, id="deflate"),
        pytest.param(PACKED[Coding.GZIP][:-1], Coding.GZIP, SHORT, id="cut short"),
        pytest.param(b"", Coding.GZIP, SHORT, id="nothing"),
        pytest.param(PACKED[Coding.GZIP] + b"{}", Coding.GZIP, MORE, id="garbage behind"),
        pytest.param(PACKED[Coding.GZIP] * 2, Coding.GZIP, MORE, id="a second member"),
        pytest.param(PACKED[Coding.GZIP] + b"\0", Coding.GZIP, MORE, id="padding"),
        pytest.param(PACKED[Coding.GZIP][:-8] + b"\0" * 8, Coding.GZIP, NO_GZIP, id="a wrong sum"),
        pytest.param(raw(TEXT), Coding.DEFLATE, "the body is not deflate", id="raw deflate"),
        pytest.param(PACKED[Coding.GZIP], Coding.DEFLATE, "the body is not deflate", id="gzip"),
    ],
)
def test_what_is_not_what_its_coding_says_is_refused(
    content: bytes, coding: Coding, reason: str
) -> None:
    with pytest.raises(UnfitError, match=f"^{reason}$"):
        unpacked(content, coding, BOUNDS)


def test_a_bomb_is_not_unpacked_by_size_and_by_ratio() -> None:
    zeros = gzip.compress(b"0" * 500_000)
    assert len(unpacked(zeros, Coding.GZIP, Unpacking(500_000, 1032))) == 500_000
    for bounds in (Unpacking(499_999, 1032), Unpacking(1_000_000, 100)):
        with pytest.raises(BombError):
            unpacked(zeros, Coding.GZIP, bounds)


def test_a_few_bytes_may_become_more_than_the_ratio_says() -> None:
    zeros = gzip.compress(b"0" * 60_000)
    assert len(unpacked(zeros, Coding.GZIP, Unpacking(1_000_000, 1))) == 60_000
