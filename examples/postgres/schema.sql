-- Orders of many tenants in one table, kept apart by PostgreSQL: psql -d orders -f schema.sql
-- Run it as the owner of the database. The application logs in as orders_app and nobody else.

-- No superuser and no BYPASSRLS, which policies do not hold for; it owns no table either.
CREATE ROLE orders_app LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE;

CREATE TABLE orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- Where no tenant is set this is null, and nothing can be added.
    tenant_id text NOT NULL DEFAULT nullif(current_setting('app.tenant_id', true), ''),
    item text NOT NULL
);
CREATE INDEX ON orders (tenant_id, id);

ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
-- For the owner of the table too: migrations and consoles forget a WHERE as well.
ALTER TABLE orders FORCE ROW LEVEL SECURITY;

-- Where no tenant is set, the setting is null at first and '' after a transaction that had one:
-- either way no row is equal to it. WITH CHECK refuses rows that are written for somebody else.
CREATE POLICY tenant_isolation ON orders
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), ''))
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), ''));

GRANT SELECT, INSERT, UPDATE, DELETE ON orders TO orders_app;
