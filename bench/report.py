"""Turns results into the Markdown of docs/performance.md."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from statistics import mean
from typing import Final

from bench.arena import DIRECT
from bench.contenders import CONTENDERS, Contender
from bench.everyone import EVERYONE
from bench.gatekeepers import GATEKEEPERS
from bench.keys import FEW
from bench.limited import COUNTING, IN_MEMORY
from bench.machine import BUSY_SHARE
from bench.observed import OBSERVED
from bench.results import KeyCost, Results, RouteCost, Row, middle
from bench.targets import Verdict, judge

BEGIN: Final = "<!-- bench:begin (written by `make bench`) -->"
END: Final = "<!-- bench:end -->"
_NONE: Final = "-"
_HEAD: Final = (
    "| proxy | requests/s | of nginx | rounds | added median, ms | added p99, ms "
    "| RSS, MB | 1 MB up, MB/s | 10 MB down, MB/s |\n"
    "|---|---:|---:|---|---:|---:|---:|---:|---:|"
)

_CALLERS_HEAD: Final = (
    "| callers are known | requests/s, one caller | of HAProxy | of Envoy | rounds "
    "| requests/s, 100 callers | of HAProxy | of Envoy | RSS, MB |\n"
    "|---|---:|---:|---:|---|---:|---:|---:|---:|"
)

_KEYS_HEAD: Final = (
    "| store | keys | verification of a key that is not remembered, µs | start, s | RSS, MB |\n"
    "|---|---:|---:|---:|---:|"
)


def markdown(results: Results) -> str:
    """Write everything that is generated, without the markers."""
    parts = [_preamble(results)]
    if results.rows:
        parts.append(_figures(results))
    parts.append(_goals(judge(results)))
    if any(row.tls_rates or row.varied_rates for row in results.rows.values()):
        parts.append(_other_loads(results))
    if results.callers:
        parts.append(_callers(results))
    if results.limits:
        parts.append(_limits(results))
    if results.observed:
        parts.append(_observed(results))
    if results.keys:
        parts.append(_keys(results.keys))
    if results.routes is not None:
        parts.append(_routes(results.routes))
    parts.append(_roster(results))
    return "\n\n".join(parts) + "\n"


def insert(document: str, table: str) -> str:
    """Replace what stands between the markers of a document.

    Raises:
        ValueError: if the document lacks a marker.
    """
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError("the document has lost its bench markers")
    return f"{before}{BEGIN}\n\n{table}\n{END}{after}"


def write(path: Path, results: Results) -> None:
    """Bring a document up to date."""
    path.write_text(insert(path.read_text(), markdown(results)))


def _preamble(results: Results) -> str:
    rows = (*results.rows.values(), *results.callers.values())
    rounds = max((len(row.rates) for row in rows), default=0)
    interpreter = (
        f"Interpreter of the sidecar and of the plain aiohttp proxy: {results.interpreter}."
    )
    lines = [
        f"Machine: {results.machine}.",
        interpreter,
        f"{rounds} interleaved rounds of {results.seconds} s; medians.",
    ]
    if results.neighbours:
        share = mean(results.neighbours)
        lines.append(f"Other work on the machine used {share:.2f} of a core between rounds.")
        if share > BUSY_SHARE:
            lines.append("**The machine was not idle: trust ratios only, and these with care.**")
    return "\n".join(lines)


def _figures(results: Results) -> str:
    lines = [_HEAD]
    lines.extend(
        _line(contender.title, contender.name, results)
        for contender in CONTENDERS
        if contender.name in results.rows
    )
    if DIRECT in results.rows:
        lines.append(_line("no proxy: what load and upstream allow", DIRECT, results))
    return "\n".join(lines)


def _line(title: str, name: str, results: Results) -> str:
    row = results.rows[name]
    is_proxy = name != DIRECT
    cells = [
        f"{title} ({row.failures} failed)" if row.failures else title,
        _number(middle(row.rates), 1, "{:,.0f}"),
        _number(results.ratio(name, "nginx"), 1, "{:.2f}"),
        _spread(row),
        _number(results.added_median(name) if is_proxy else None, 1e3, "{:.2f}"),
        _number(results.added_p99(name) if is_proxy else None, 1e3, "{:.2f}"),
        _number(row.resident_bytes, 1e-6, "{:.0f}"),
        _number(middle(row.uploads), 1e-6, "{:,.0f}"),
        _number(middle(row.downloads), 1e-6, "{:,.0f}"),
    ]
    return f"| {' | '.join(cells)} |"


def _other_loads(results: Results) -> str:
    titles = ("no two alike, requests/s", "of nginx", "over TLS 1.3, requests/s", "of nginx")
    lines = [f"| proxy | {' | '.join(titles)} |", "|---|---:|---:|---:|---:|"]
    for contender in CONTENDERS:
        row = results.rows.get(contender.name)
        if row is not None:
            cells = [
                contender.title,
                _number(middle(row.varied_rates), 1, "{:,.0f}"),
                _number(results.varied_ratio(row.name, "nginx"), 1, "{:.2f}"),
                _number(middle(row.tls_rates), 1, "{:,.0f}"),
                _number(results.tls_ratio(row.name, "nginx"), 1, "{:.2f}"),
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _callers(results: Results) -> str:
    lines = [_CALLERS_HEAD]
    for contender in GATEKEEPERS:
        row = results.callers.get(contender.name)
        if row is not None:
            suffix = "-rsa" if contender.name.endswith("-rsa") else ""
            one, other = f"haproxy-jwt{suffix}", f"envoy-jwt{suffix}"
            cells = [
                f"{contender.title} ({row.failures} failed)" if row.failures else contender.title,
                _number(middle(row.rates), 1, "{:,.0f}"),
                _number(results.callers_ratio(row.name, one), 1, "{:.2f}"),
                _number(results.callers_ratio(row.name, other), 1, "{:.2f}"),
                _spread(row),
                _number(middle(row.caller_rates), 1, "{:,.0f}"),
                _number(results.many_ratio(row.name, one), 1, "{:.2f}"),
                _number(results.many_ratio(row.name, other), 1, "{:.2f}"),
                _number(row.resident_bytes, 1e-6, "{:.0f}"),
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _limits(results: Results) -> str:
    def ratio(name: str) -> float | None:
        return results.limits_ratio(name, IN_MEMORY)

    return _by_core("counted", "of counting in memory", COUNTING, results.limits, ratio)


def _observed(results: Results) -> str:
    return _by_core(
        "taking note", "of taking none", OBSERVED, results.observed, results.observed_ratio
    )


def _by_core(
    what: str,
    other: str,
    contenders: Iterable[Contender],
    rows: Mapping[str, Row],
    ratio_of: Callable[[str], float | None],
) -> str:
    """Write a table of contenders whose own core is what counts."""
    lines = [
        f"| {what} | requests/s | rounds | in a second of its core | {other} |",
        "|---|---:|---|---:|---:|",
    ]
    for contender in contenders:
        row = rows.get(contender.name)
        if row is not None:
            ratio = _number(ratio_of(row.name), 1, "{:.2f}")
            rate = _number(middle(row.rates), 1, "{:,.0f}")
            core = _number(middle(row.core_rates), 1, "{:,.0f}")
            failed = f" ({row.failures} failed)" if row.failures else ""
            title = f"{contender.title}{failed}"
            lines.append(f"| {title} | {rate} | {_spread(row)} | {core} | {ratio} |")
    return "\n".join(lines)


def _keys(costs: Mapping[str, KeyCost]) -> str:
    lines = [_KEYS_HEAD]
    for kind, cost in costs.items():
        for count, micros, started in (
            (FEW, cost.few, cost.few_keys),
            (cost.keys, cost.many, cost.many_keys),
        ):
            start = started.seconds if started else None
            resident = started.resident_bytes if started else None
            lines.append(
                f"| {kind} | {count:,} | {micros:.0f} | {_number(start, 1, '{:.2f}')} "
                f"| {_number(resident, 1e-6, '{:.0f}')} |"
            )
    return "\n".join(lines)


def _number(figure: float | None, scale: float, form: str) -> str:
    return _NONE if figure is None else form.format(figure * scale)


def _spread(row: Row) -> str:
    return f"{min(row.rates):,.0f} to {max(row.rates):,.0f}" if row.rates else _NONE


def _goals(verdicts: list[Verdict]) -> str:
    lines = [
        "| what the sidecar must reach | measured | floor | goal | |",
        "|---|---:|---:|---:|---|",
    ]
    for verdict in verdicts:
        bound = "at most " if verdict.goal.is_upper else ""
        lines.append(
            f"| {verdict.goal.title} | {_number(verdict.figure, 1, '{:.2f}')} "
            f"| {bound}{verdict.goal.floor:g} | {_number(verdict.goal.goal, 1, '{:g}')} "
            f"| {verdict.word} |"
        )
    return "\n".join(lines)


def _routes(cost: RouteCost) -> str:
    return (
        f"A request in process, bytes in and bytes out without sockets: {cost.few:.1f} µs with "
        f"200 routes, {cost.many:.1f} µs with 20,000."
    )


def _roster(results: Results) -> str:
    lines = ["| proxy | version | what it does for a request |", "|---|---|---|"]
    asked = results.versions.keys() | results.absent.keys()
    lines.extend(_roster_line(one, results) for one in EVERYONE if one.name in asked)
    return "\n".join(lines)


def _roster_line(contender: Contender, results: Results) -> str:
    if contender.name in results.absent:
        reason = results.absent[contender.name].replace("\n", " ").replace("|", "/")
        return f"| {contender.title} | absent | not measured: {reason} |"
    version = results.versions.get(contender.name, _NONE)
    return f"| {contender.title} | {version} | {contender.enforces} |"
