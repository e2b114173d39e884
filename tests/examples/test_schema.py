"""The schema of the examples by itself: what row-level security holds, and for whom."""

import re
from collections.abc import Iterator
from contextlib import closing

import asyncpg
import pg8000.dbapi
import pytest

from tests.examples.apps import EXAMPLES
from tests.examples.postgres import SCHEMA, Connection, Cursor, Postgres


@pytest.fixture(autouse=True)
def two_tenants(postgres: Postgres) -> Iterator[None]:
    with closing(postgres.connect("postgres")) as connection:
        cursor = connection.cursor()
        cursor.execute("INSERT INTO orders (tenant_id, item) VALUES ('acme', 'a'), ('globex', 'b')")
        connection.commit()
        yield
        cursor.execute("TRUNCATE orders")
        connection.commit()


@pytest.fixture
def connection(postgres: Postgres) -> Iterator[Connection]:
    """Connect as the application does."""
    with closing(postgres.connect("orders_app")) as connection:
        yield connection


@pytest.fixture
def cursor(connection: Connection) -> Cursor:
    return connection.cursor()


def become(cursor: Cursor, tenant: str) -> None:
    cursor.execute("SELECT set_config('app.tenant_id', %s, true)", (tenant,))


def items(cursor: Cursor, condition: str = "true") -> list[object]:
    cursor.execute(f"SELECT item FROM orders WHERE {condition}")  # noqa: S608 -- ours
    return [row[0] for row in cursor.fetchall()]


def test_without_a_tenant_there_are_no_rows(cursor: Cursor) -> None:
    assert items(cursor) == []


def test_without_a_tenant_nothing_can_be_added(cursor: Cursor) -> None:
    with pytest.raises(pg8000.dbapi.DatabaseError, match="row-level security"):
        cursor.execute("INSERT INTO orders (item) VALUES ('c')")


@pytest.mark.parametrize("condition", ["true", "tenant_id = 'globex' OR true", "id > 0"])
def test_no_condition_finds_rows_of_others(cursor: Cursor, condition: str) -> None:
    become(cursor, "acme")
    assert items(cursor, condition) == ["a"]


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO orders (tenant_id, item) VALUES ('globex', 'c')",
        "UPDATE orders SET tenant_id = 'globex'",
    ],
)
def test_no_row_is_written_for_others(cursor: Cursor, statement: str) -> None:
    become(cursor, "acme")
    with pytest.raises(pg8000.dbapi.DatabaseError, match="row-level security"):
        cursor.execute(statement)


@pytest.mark.parametrize("statement", ["DELETE FROM orders", "UPDATE orders SET item = 'c'"])
def test_no_row_of_others_is_changed(cursor: Cursor, statement: str) -> None:
    become(cursor, "acme")
    cursor.execute(statement)
    assert cursor.rowcount == 1


@pytest.mark.parametrize(
    "statement", ["TRUNCATE orders", "ALTER TABLE orders NO FORCE ROW LEVEL SECURITY"]
)
def test_the_application_cannot_switch_it_off(cursor: Cursor, statement: str) -> None:
    with pytest.raises(pg8000.dbapi.DatabaseError, match=r"permission denied|must be owner"):
        cursor.execute(statement)


@pytest.mark.parametrize("ending", ["commit", "rollback"])
def test_the_tenant_ends_with_the_transaction(connection: Connection, ending: str) -> None:
    cursor = connection.cursor()
    become(cursor, "acme")
    assert items(cursor) == ["a"]
    getattr(connection, ending)()
    assert items(cursor) == []


def test_the_owner_of_the_table_is_held_too(postgres: Postgres) -> None:
    with closing(postgres.connect("postgres")) as connection:
        cursor = connection.cursor()
        # All of it ends with the connection, which commits nothing.
        cursor.execute("CREATE ROLE an_owner; GRANT CREATE ON SCHEMA public TO an_owner")
        cursor.execute("ALTER TABLE orders OWNER TO an_owner; SET LOCAL ROLE an_owner")
        assert items(cursor) == []
        become(cursor, "globex")
        assert items(cursor) == ["b"]


PAGE = (EXAMPLES.parent / "docs" / "howto" / "row-level-security.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"^```sql\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_the_page_shows_the_statements_of_the_schema() -> None:
    text = "".join(
        line for line in SCHEMA.read_text("utf-8").splitlines(keepends=True) if "--" not in line
    )
    assert [sql for sql in SHOWN[:1] if " ".join(sql.split()) in " ".join(text.split())]


def test_the_page_finds_the_tables_without_a_policy(postgres: Postgres) -> None:
    with closing(postgres.connect("postgres")) as connection:
        cursor = connection.cursor()
        cursor.execute("CREATE TABLE forgotten (tenant_id text)")
        cursor.execute(SHOWN[1])
        assert cursor.fetchall() == (["forgotten"],)


async def test_a_pool_hands_no_tenant_on_with_a_connection(postgres: Postgres) -> None:
    place = postgres.environment()
    async with asyncpg.create_pool(
        host=place["PGHOST"], port=int(place["PGPORT"]), user=place["PGUSER"],
        password=place["PGPASSWORD"], database=place["PGDATABASE"], min_size=1, max_size=1,
    ) as pool:  # fmt: skip
        backends = set()
        for tenant, item in (("acme", "a"), ("globex", "b"), ("acme", "a")):
            async with pool.acquire() as connection, connection.transaction():
                backends.add(await connection.fetchval("SELECT pg_backend_pid()"))
                await connection.execute("SELECT set_config('app.tenant_id', $1, true)", tenant)
                assert await connection.fetchval("SELECT string_agg(item, '') FROM orders") == item
            async with pool.acquire() as connection:
                backends.add(await connection.fetchval("SELECT pg_backend_pid()"))
                assert await connection.fetchval("SELECT count(*) FROM orders") == 0
        assert len(backends) == 1
