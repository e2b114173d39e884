# noqa: INP001 -- a program, not a package
"""Orders of many tenants with Flask and pg8000; PostgreSQL keeps them apart.

flask --app examples/flask_app.py run --port 3000
"""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pg8000.dbapi
from flask import Flask, abort, g, request
from verify_assertion import NotVerifiedError, Verifier

verifier = Verifier(os.environ["ASSERTION_KEYS"], audience="orders")
app = Flask(__name__)


@app.before_request
def verify() -> None:
    """Verify the assertion before any view runs."""
    # The target as it stood in the request line; PATH_INFO is decoded and will not do.
    target = request.environ.get("RAW_URI") or request.environ["REQUEST_URI"]
    try:
        g.caller = verifier.verify(
            request.headers.get("X-Sidecar-Assertion"), request.method, target
        )
    except NotVerifiedError:
        abort(401)


@contextmanager
def transaction() -> Iterator[pg8000.dbapi.Cursor]:
    """Open a transaction that sees one tenant; the setting ends with it, behind PgBouncer too."""
    if g.caller.tenant is None:
        abort(403)
    with closing(connect()) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT set_config('app.tenant_id', %s, true)", (g.caller.tenant,))
        yield cursor
        connection.commit()  # what was not committed is rolled back by closing


def connect() -> pg8000.dbapi.Connection:
    """Connect as the role that row-level security holds for."""
    return pg8000.dbapi.connect(
        user=os.environ["PGUSER"],
        password=os.environ.get("PGPASSWORD"),
        host=os.environ.get("PGHOST", "localhost"),
        port=int(os.environ.get("PGPORT", "5432")),
        database=os.environ["PGDATABASE"],
    )


def rows_of(cursor: pg8000.dbapi.Cursor) -> list[dict[str, object]]:
    """Name the columns of what was found."""
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


@app.get("/orders")
def orders() -> list[dict[str, object]]:
    """List the orders; the WHERE that one forgets is in PostgreSQL."""
    with transaction() as cursor:
        cursor.execute("SELECT * FROM orders ORDER BY id")
        return rows_of(cursor)


@app.get("/orders/<int:number>")
def order(number: int) -> dict[str, object]:
    """Show an order; one of another tenant is not there."""
    with transaction() as cursor:
        cursor.execute("SELECT * FROM orders WHERE id = %s", (number,))
        found = rows_of(cursor)
    return found[0] if found else abort(404)


@app.post("/orders")
def add() -> tuple[dict[str, object], int]:
    """Add an order; its tenant is the default of the column."""
    with transaction() as cursor:
        item = request.get_json()["item"]
        cursor.execute("INSERT INTO orders (item) VALUES (%s) RETURNING *", (item,))
        return rows_of(cursor)[0], 201
