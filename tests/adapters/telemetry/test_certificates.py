"""Which files' certificates are watched, and when each is of no use any more."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from sidecar.adapters.telemetry.certificates import CertificateEnds
from tests.e2e.conftest import load_policy
from tests.e2e.wire import a_policy

ISSUER = {
    "issuer": "https://i.example",
    "jwks": "https://i.example/keys",
    "audiences": ["orders"],
    "algorithms": ["ES256"],
}
ENDPOINT = {"url": "https://i.example/asked", "client_id": "me", "client_secret": "env:HOME"}
WHSEC = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
NO_CERTIFICATE = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
SOON = datetime(2030, 1, 1, tzinfo=UTC)
LATER = SOON + timedelta(days=90)


def a_chain(folder: Path, name: str, *ends: datetime) -> dict[str, str]:
    """Write certificates that end then, one behind the other, and the key of the first."""
    authority = trustme.CA()
    certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
    issued = [authority.issue_cert(f"{name}.example", not_after=end) for end in ends]
    certificate.write_bytes(b"".join(one.cert_chain_pems[0].bytes() for one in issued))
    issued[0].private_key_pem.write_to_path(str(key))
    return {"certificate": str(certificate), "key": str(key)}


def told(folder: Path, **sections: object) -> dict[tuple[str, ...], float]:
    """Say what is told of a policy: by use and name of the file, when it ends."""
    ends = CertificateEnds()
    ends.load(load_policy(a_policy("https://127.0.0.1:1", **sections), folder).policy)
    return {
        (labels[0], Path(labels[1]).name): numbers[0]
        for name, labels, numbers in ends.rows()
        if name == "sidecar_certificate_expiry_timestamp_seconds"
    }


def test_a_chain_ends_with_the_first_of_its_certificates(tmp_path: Path) -> None:
    tls = a_chain(tmp_path, "server", LATER, SOON)
    assert told(tmp_path, listen={"tls": tls}) == {("listener", "server.crt"): SOON.timestamp()}


def test_authorities_end_with_the_last_of_them(tmp_path: Path) -> None:
    ca = a_chain(tmp_path, "ca", SOON, LATER)["certificate"]
    upstream = {"url": "https://127.0.0.1:1", "tls": {"ca": ca}}
    routes = [{"path": "/**", "public": True, "upstream": upstream}]
    assert told(tmp_path, routes=routes) == {("upstream_ca", "ca.crt"): LATER.timestamp()}


def test_every_file_that_the_policy_names_is_watched(tmp_path: Path) -> None:
    client = a_chain(tmp_path, "client", SOON)
    ca = a_chain(tmp_path, "ca", LATER)["certificate"]
    logs = a_chain(tmp_path, "logs", SOON)["certificate"]
    own = a_chain(tmp_path, "own", SOON)["certificate"]
    upstream = {"url": "https://127.0.0.1:1", "tls": {"ca": ca, **client}}
    sections = {
        "routes": [
            {"path": "/**", "public": True, "upstream": upstream},
            {"path": "/own/**", "role": "viewer"},
        ],
        "state": {"store": "rediss://127.0.0.1:1/0", "ca": ca},
        "audit": {
            "sinks": [
                {"syslog": "tls://127.0.0.1:1", "ca": ca},
                {"http": "https://127.0.0.1:1/a", "ca": logs},
                {"redis_stream": "own", "server": {"store": "rediss://127.0.0.1:2/0", "ca": own}},
                {"redis_stream": "shared"},
            ],
            "alerts": {"webhook": {"url": "https://127.0.0.1:1/b", "secret": WHSEC, "ca": ca}},
        },
        "tracing": {"otlp": "https://127.0.0.1:1/c", "ca": ca},
        "authentication": {
            "jwt": [{**ISSUER, "ca": ca}],
            "introspection": {**ENDPOINT, "ca": ca},
        },
    }
    assert told(tmp_path, **sections) == {
        ("upstream", "client.crt"): SOON.timestamp(),
        ("upstream_ca", "ca.crt"): LATER.timestamp(),
        ("state_ca", "ca.crt"): LATER.timestamp(),
        ("issuer_ca", "ca.crt"): LATER.timestamp(),
        ("audit_ca", "ca.crt"): LATER.timestamp(),
        ("audit_ca", "logs.crt"): SOON.timestamp(),
        ("audit_ca", "own.crt"): SOON.timestamp(),
        ("alerts_ca", "ca.crt"): LATER.timestamp(),
        ("tracing_ca", "ca.crt"): LATER.timestamp(),
    }


@pytest.mark.parametrize("content", [None, b"", NO_CERTIFICATE])
def test_a_file_that_is_no_certificate_is_left_out_and_named_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes | None
) -> None:
    tls = a_chain(tmp_path, "server", SOON)
    policy = load_policy(a_policy("http://127.0.0.1:1", listen={"tls": tls}), tmp_path).policy
    file = Path(tls["certificate"])
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)
    ends = CertificateEnds()
    ends.load(policy)
    assert list(ends.rows()) == []
    assert "server.crt" in caplog.text


def test_a_file_that_was_renewed_is_told_anew_when_it_is_loaded_anew(tmp_path: Path) -> None:
    tls = a_chain(tmp_path, "server", SOON)
    policy = load_policy(a_policy("http://127.0.0.1:1", listen={"tls": tls}), tmp_path).policy
    ends = CertificateEnds()
    ends.load(policy)
    a_chain(tmp_path, "server", LATER)
    assert [numbers[0] for _, _, numbers in ends.rows()] == [SOON.timestamp()]
    ends.load(policy)
    assert [numbers[0] for _, _, numbers in ends.rows()] == [LATER.timestamp()]
