# noqa: INP001 -- a program, not a package
"""Orders of many tenants with FastAPI and asyncpg; PostgreSQL keeps them apart.

uvicorn --app-dir examples --port 3000 fastapi_app:app
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import asyncpg
from fastapi import Depends, FastAPI, HTTPException, Request
from pydantic import BaseModel
from verify_assertion import Caller, NotVerifiedError, Verifier

verifier = Verifier(os.environ["ASSERTION_KEYS"], audience="orders")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Hold the pool as long as the app runs; asyncpg reads PGHOST, PGUSER and their like."""
    size = int(os.environ.get("POOL_SIZE", "10"))
    async with asyncpg.create_pool(min_size=1, max_size=size) as app.state.pool:
        yield


app = FastAPI(lifespan=lifespan)


def caller_of(request: Request) -> Caller:
    """Verify the assertion; not `async`, so that fetching a key blocks a thread and nobody else."""
    path, query = request.scope["raw_path"], request.scope["query_string"]
    target = path + b"?" + query if query else path
    assertion = request.headers.get("x-sidecar-assertion")
    try:
        return verifier.verify(assertion, request.method, target.decode("latin-1"))
    except NotVerifiedError as error:
        raise HTTPException(401) from error


Verified = Annotated[Caller, Depends(caller_of)]


@asynccontextmanager
async def transaction_of(caller: Caller) -> AsyncIterator[asyncpg.Connection]:
    """Open a transaction that sees one tenant; the setting ends with it, in a pool too."""
    if caller.tenant is None:
        raise HTTPException(403)
    async with app.state.pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT set_config('app.tenant_id', $1, true)", caller.tenant)
        yield connection


class Order(BaseModel):
    """An order as clients send it."""

    item: str


@app.get("/orders")
async def orders(caller: Verified) -> list[dict[str, object]]:
    """List the orders; the WHERE that one forgets is in PostgreSQL."""
    async with transaction_of(caller) as connection:
        return [dict(row) for row in await connection.fetch("SELECT * FROM orders ORDER BY id")]


@app.get("/orders/{number}")
async def order(number: int, caller: Verified) -> dict[str, object]:
    """Show an order; one of another tenant is not there."""
    async with transaction_of(caller) as connection:
        row = await connection.fetchrow("SELECT * FROM orders WHERE id = $1", number)
    if row is None:
        raise HTTPException(404)
    return dict(row)


@app.post("/orders", status_code=201)
async def add(new: Order, caller: Verified) -> dict[str, object]:
    """Add an order; its tenant is the default of the column."""
    async with transaction_of(caller) as connection:
        return dict(
            await connection.fetchrow("INSERT INTO orders (item) VALUES ($1) RETURNING *", new.item)
        )
