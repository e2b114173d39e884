"""A certificate of one run, for the figures over TLS."""

from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True, slots=True)
class Certificate:
    """Files of a certificate: the chain, its key, and both in one as HAProxy wants them."""

    chain: Path
    key: Path
    both: Path


def make_certificate(folder: Path) -> Certificate:
    """Issue a certificate for loopback; it is gone with the folder."""
    issued = trustme.CA().issue_cert("127.0.0.1")
    made = Certificate(folder / "chain.pem", folder / "key.pem", folder / "both.pem")
    for pem in issued.cert_chain_pems:
        pem.write_to_path(str(made.chain), append=True)
    issued.private_key_pem.write_to_path(str(made.key))
    issued.private_key_and_cert_chain_pem.write_to_path(str(made.both))
    return made
