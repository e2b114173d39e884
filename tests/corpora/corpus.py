"""The corpora as a whole: every row of every module, in the order of a message."""

from typing import Final

from tests.corpora.requests.chunks import DATA, EXTENSIONS, FORBIDDEN_TRAILERS, SIZES, TRAILERS
from tests.corpora.requests.connection import EXPECTATIONS, HANDSHAKES, OPTIONS, UPGRADES
from tests.corpora.requests.fields import FIELD_LINES, SINGLETONS
from tests.corpora.requests.framing import CONTENT_LENGTHS, TRANSFER_ENCODINGS
from tests.corpora.requests.host import HOSTS
from tests.corpora.requests.legal import BODIES, FIELDS, LINES
from tests.corpora.requests.limits import LIMITS
from tests.corpora.requests.start_line import METHODS, REQUEST_LINES, VERSIONS
from tests.corpora.requests.target import OTHER_FORMS, PATHS
from tests.corpora.responses.framing import CHUNKS, CODINGS, LENGTHS, ODD_BODIES, SURPLUS
from tests.corpora.responses.head import FIELD_LINES as ANSWER_FIELD_LINES
from tests.corpora.responses.head import NOT_HTTP, ODD_HEADS, STATUS_LINES
from tests.corpora.responses.interim import INTERIM, SWITCHES
from tests.corpora.rows import Answer, Legal, Malformed

MALFORMED: Final[tuple[Malformed, ...]] = (
    *(*REQUEST_LINES, *METHODS, *VERSIONS),
    *(*PATHS, *OTHER_FORMS, *HOSTS),
    *(*FIELD_LINES, *SINGLETONS, *EXPECTATIONS, *OPTIONS, *UPGRADES, *HANDSHAKES),
    *(*CONTENT_LENGTHS, *TRANSFER_ENCODINGS),
    *(*SIZES, *DATA, *EXTENSIONS, *TRAILERS, *FORBIDDEN_TRAILERS),
    *LIMITS,
)
LEGAL: Final[tuple[Legal, ...]] = (*LINES, *FIELDS, *BODIES)
ANSWERS: Final[tuple[Answer, ...]] = (
    *(*STATUS_LINES, *ANSWER_FIELD_LINES, *NOT_HTTP, *ODD_HEADS),
    *(*LENGTHS, *CODINGS, *CHUNKS, *SURPLUS, *ODD_BODIES),
    *(*SWITCHES, *INTERIM),
)
