"""A stand-in for `curl` where there is none: the few options that the pages use.

-s -N --path-as-is   nothing to do: it is quiet, passes on what comes, and sends paths as given
-i -I                the head of the answer too, or alone
-X -H -d -T          method, field, body
-o FILE -w %{...}    the body to a file; the status afterwards
--cacert FILE        believe that authority
"""

import argparse
import http.client
import ssl
import sys
from pathlib import Path
from urllib.parse import urlsplit


def main(words: list[str]) -> int:
    """Make one request."""
    options = _options().parse_args(words)
    url = urlsplit(options.url)
    if url.scheme == "https":
        trust = ssl.create_default_context(cafile=options.cacert)
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            url.netloc, context=trust
        )
    else:
        connection = http.client.HTTPConnection(url.netloc)
    _send(connection, options, options.url.partition(url.netloc)[2] or "/")
    answer = connection.getresponse()
    head = "".join(f"{name}: {value}\r\n" for name, value in answer.getheaders())
    if options.include or options.head:
        sys.stdout.write(f"HTTP/1.1 {answer.status} {answer.reason}\r\n{head}\r\n")
    sys.stdout.flush()
    body = answer.read()
    if options.output:
        Path(options.output).write_bytes(body)
    else:
        sys.stdout.buffer.write(body)
    sys.stdout.buffer.flush()
    sys.stdout.write(
        (options.write_out or "").replace("%{http_code}", str(answer.status)).replace("\\n", "\n")
    )
    return 0


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    for flag in ("-s", "-N", "--path-as-is"):
        parser.add_argument(flag, action="store_true")
    parser.add_argument("-i", dest="include", action="store_true")
    parser.add_argument("-I", dest="head", action="store_true")
    parser.add_argument("-X", dest="method")
    parser.add_argument("-H", dest="fields", action="append", default=[])
    parser.add_argument("-d", dest="data")
    parser.add_argument("-T", dest="upload")
    parser.add_argument("-o", dest="output")
    parser.add_argument("-w", dest="write_out")
    parser.add_argument("--cacert")
    parser.add_argument("url")
    return parser


def _send(connection: http.client.HTTPConnection, options: argparse.Namespace, target: str) -> None:
    body = options.data.encode() if options.data is not None else None
    if options.upload:
        body = Path(options.upload).read_bytes()
    usual = "POST" if options.data is not None else "PUT" if options.upload else "GET"
    method = options.method or ("HEAD" if options.head else usual)
    fields = {"User-Agent": "curl/8.5.0", "Accept": "*/*"}
    if options.data is not None:
        fields["Content-Type"] = "application/x-www-form-urlencoded"
    own = dict(field.split(": ", 1) for field in options.fields)
    same = {name.lower() for name in own}
    fields = {n: v for n, v in fields.items() if n.lower() not in same} | own
    skips_host = any(name.lower() == "host" for name in own)
    connection.putrequest(method, target, skip_host=skips_host, skip_accept_encoding=True)
    for name, value in fields.items():
        connection.putheader(name, value)
    if body is not None:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
