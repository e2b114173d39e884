"""What is to be said of a trail: what is wrong, what is worth a note, and what there is."""

from dataclasses import dataclass, field

from sidecar.knowledge.audit.chain import NO_HASH
from sidecar.knowledge.audit.statements import Run


@dataclass(frozen=True, slots=True)
class Place:
    """Where a line stands.

    Attributes:
        file: name of the file.
        line: number of the line, from 1.
    """

    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong, or worth a note.

    Attributes:
        kind: `changed`, `missing`, `order`, `repeated`, `foreign`, `torn`, `signature`, `unsigned`,
            `truncated`, `statement`, `beginning`, `removed`.
        text: what, in words.
        place: where; None for what stands nowhere.
        writer: the chain; None for what belongs to none.
        seq: number of the line in it.
    """

    kind: str
    text: str
    place: Place | None = None
    writer: str | None = None
    seq: int | None = None


@dataclass(slots=True)
class Chain:
    """What was found of one chain.

    Attributes:
        records: lines.
        first: lowest seq.
        last: highest seq.
        hash: hash of that line, as text.
        signed: highest seq that a good checkpoint covers; 0 for none.
        signed_at: timestamp of that checkpoint; empty for none.
    """

    records: int = 0
    first: int = 0
    last: int = 0
    hash: str = NO_HASH.decode()
    signed: int = 0
    signed_at: str = ""


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement of removal that counts.

    Attributes:
        writer: the chain that it stands in.
        seq: number of its line.
        timestamp: when it was made.
        runs: what it stands for.
    """

    writer: str
    seq: int
    timestamp: str
    runs: tuple[Run, ...]


@dataclass(slots=True)
class Report:
    """What is to be said of a trail.

    Attributes:
        problems: what is wrong, in the order in which it was found.
        notes: what is no proof of anything wrong.
        chains: what there is of each chain, by writer.
        records: lines that stand in a chain.
        removed: lines that a statement stands for.
        statements: statements of removal that count.
    """

    problems: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)
    chains: dict[str, Chain] = field(default_factory=dict)
    records: int = 0
    removed: int = 0
    statements: list[Statement] = field(default_factory=list)
