"""`sidecar webhook`: the admission webhook that puts the sidecar into the pods of a cluster."""

import asyncio
import logging
import signal
import ssl
import sys

import click
import uvloop

from sidecar.adapters.telemetry.logs import set_up
from sidecar.cli.exit_codes import DONE, FAILED, USAGE, CommandError
from sidecar.cli.injecting import about_the_sidecar, settings
from sidecar.fronts.kube.certificate import Certificate
from sidecar.fronts.kube.webhook import Webhook
from sidecar.knowledge.kube.wishes import PINNABLE

_FILE = click.Path(exists=True, dir_okay=False, readable=True)


@click.command(
    epilog="Example: sidecar webhook --certificate tls.crt --key tls.key --policy orders-sidecar"
)
@click.option("--certificate", metavar="FILE", required=True, type=_FILE, help="Chain, PEM.")
@click.option("--key", metavar="FILE", required=True, type=_FILE, help="Its key, PEM.")
@click.option(
    "--listen",
    metavar="ADDRESS",
    default="0.0.0.0:8443",
    show_default=True,
    help="Where API servers ask, over TLS.",
)
@click.option(
    "--health",
    metavar="ADDRESS",
    default="0.0.0.0:9902",
    show_default=True,
    help="Where probes and Prometheus ask, without TLS.",
)
@click.option(
    "--pin",
    metavar="NAME",
    multiple=True,
    type=click.Choice(PINNABLE),
    help="An annotation that pods may not have, without sidecar/: inject, image, policy, …",
)
@about_the_sidecar
def command(
    *,
    certificate: str,
    key: str,
    listen: str,
    health: str,
    pin: tuple[str, ...],
    **options: str,
) -> int:
    """Serve an admission webhook that injects as `sidecar inject` does.

    POST /pods and /services take an AdmissionReview (admission.k8s.io/v1) and answer with a JSON
    Patch, or refuse. A certificate that is replaced is taken without a restart.

    Exit status: 0 told to end, 2 usage or missing file, 3 a port or a certificate cannot be used.
    """
    set_up(sys.stderr)
    try:
        shown = Certificate(certificate, key)
    except ssl.SSLError as error:
        said = f"--certificate and --key: {certificate} and {key} cannot be used: {error.reason}"
        raise CommandError(said, FAILED) from error
    webhook = Webhook(
        settings(options, frozenset(pin)),
        shown,
        listen=_address("--listen", listen),
        health=_address("--health", health),
    )
    return uvloop.run(_serve(webhook))


def _address(option: str, text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:  # noqa: PLR2004 -- the last port
        raise CommandError(f"{option}: {text!r} is no address such as 0.0.0.0:8443", USAGE)
    return host.strip("[]"), int(port)


async def _serve(webhook: Webhook) -> int:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await webhook.start()
    reviews, probes = webhook.ports
    logging.getLogger("sidecar.webhook").info("serving on %d, probes on %d", reviews, probes)
    await stopped.wait()
    await webhook.close()
    return DONE
