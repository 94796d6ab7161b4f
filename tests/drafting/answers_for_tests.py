"""Descriptions with answers written by hand: right ones, and ones that are subtly wrong."""

from __future__ import annotations

from dataclasses import dataclass

SCHEMA = """
CREATE TYPE order_state AS ENUM ('open', 'paid', 'sent');
CREATE TABLE tenants (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text NOT NULL);
CREATE TABLE users (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant_id uuid NOT NULL REFERENCES tenants (id),
  email varchar(255) NOT NULL UNIQUE CHECK (email LIKE '%@%'),
  nick text,
  age text,
  score integer NOT NULL DEFAULT 0 CHECK (score BETWEEN 0 AND 100),
  bio text,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX users_tenant ON users (tenant_id);
CREATE INDEX users_nick ON users (lower(nick));
CREATE TABLE orders (
  id serial PRIMARY KEY,
  user_id bigint NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  state order_state NOT NULL DEFAULT 'open',
  total numeric(10, 2) NOT NULL CHECK (total >= 0),
  note varchar(40),
  placed_on date
);
CREATE INDEX orders_user ON orders (user_id);
CREATE TABLE tags (id int PRIMARY KEY, label text NOT NULL);
CREATE TABLE order_tags (
  order_id int REFERENCES orders (id), tag_id int REFERENCES tags (id),
  PRIMARY KEY (order_id, tag_id)
);
CREATE TABLE log (at timestamptz NOT NULL, what text);
CREATE VIEW open_orders AS SELECT id, user_id, total FROM orders WHERE state = 'open';
CREATE MATERIALIZED VIEW totals AS SELECT user_id, sum(total) AS total FROM orders GROUP BY 1;
CREATE UNIQUE INDEX totals_user ON totals (user_id);
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN NEW.created_at := now(); RETURN NEW; END $$;
CREATE TRIGGER users_touch BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION touch();
CREATE FUNCTION vat(amount numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 0.2';
ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON orders USING (user_id = current_setting('app.user', true)::bigint);
GRANT SELECT ON users, orders, open_orders, tags TO reader;
GRANT EXECUTE ON FUNCTION vat(numeric) TO reader;
COMMENT ON COLUMN users.score IS 'between 0 and 100';
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """One draft and what the proof has to say of it."""

    up: str
    down: str
    why: str = ""
    """What is wrong with it; empty for a right one."""
    loses: bool = False
    seen: str = "fault"
    """Where a wrong one shows: `fault`, or `rewritten` or `losing` of what was observed."""


@dataclass(frozen=True, slots=True)
class Case:
    """A description and its answers."""

    description: str
    answers: tuple[Answer, ...]


def right(up: str, down: str, *, loses: bool = False) -> Answer:
    """An answer that has to pass."""
    return Answer(up, down, loses=loses)


def wrong(why: str, up: str, down: str, *, loses: bool = False, seen: str = "fault") -> Answer:
    """An answer that has to be caught."""
    return Answer(up, down, why, loses, seen)


_VIEW = "CREATE VIEW open_orders AS SELECT id, user_id, total FROM orders WHERE state = 'open'"
_VIEW_NOTE = _VIEW.replace("total FROM", "total, note FROM")
_TOTALS = "CREATE MATERIALIZED VIEW totals AS SELECT user_id, sum(total) AS total FROM orders"
_STATES = """
ALTER TABLE orders ALTER COLUMN state DROP DEFAULT;
DROP VIEW open_orders;
DROP MATERIALIZED VIEW totals;
"""

CASES = (
    Case(
        "add stripe_customer_id to users table",
        (
            right(
                "ALTER TABLE users ADD COLUMN stripe_customer_id text;",
                "ALTER TABLE users DROP COLUMN stripe_customer_id;",
            ),
            wrong(
                "the table has rows, and there is no default",
                "ALTER TABLE users ADD COLUMN stripe_customer_id text NOT NULL;",
                "ALTER TABLE users DROP COLUMN stripe_customer_id;",
            ),
            wrong(
                "the down forgets the index of another column",
                "ALTER TABLE users ADD COLUMN stripe_customer_id text;"
                " DROP INDEX users_nick; CREATE INDEX users_nick ON users (nick);",
                "ALTER TABLE users DROP COLUMN stripe_customer_id;",
            ),
        ),
    ),
    Case(
        "users have a locale, en unless they say otherwise",
        (
            right(
                "ALTER TABLE users ADD COLUMN locale text NOT NULL DEFAULT 'en';",
                "ALTER TABLE users DROP COLUMN locale;",
            ),
            wrong(
                "the down leaves the column",
                "ALTER TABLE users ADD COLUMN locale text NOT NULL DEFAULT 'en';",
                "ALTER TABLE users ALTER COLUMN locale DROP NOT NULL;",
            ),
        ),
    ),
    Case(
        "index orders by the day on which they were placed",
        (
            right(
                "CREATE INDEX orders_placed_on ON orders (placed_on);",
                "DROP INDEX orders_placed_on;",
            ),
            right(
                "CREATE INDEX CONCURRENTLY orders_placed_on ON orders (placed_on);",
                "DROP INDEX CONCURRENTLY orders_placed_on;",
            ),
            wrong(
                "the down drops nothing",
                "CREATE INDEX orders_placed_on ON orders (placed_on);",
                "DROP INDEX IF EXISTS orders_placed_on_idx;",
            ),
            wrong(
                "the down drops an index too many",
                "CREATE INDEX orders_placed_on ON orders (placed_on);",
                "DROP INDEX orders_placed_on; DROP INDEX orders_user;",
            ),
        ),
    ),
    Case(
        "drop the unused bio of users",
        (
            right(
                "ALTER TABLE users DROP COLUMN bio;",
                "ALTER TABLE users ADD COLUMN bio text;",
                loses=True,
            ),
            wrong(
                "it does not say that the values are gone",
                "ALTER TABLE users DROP COLUMN bio;",
                "ALTER TABLE users ADD COLUMN bio text;",
            ),
            wrong(
                "the down makes another type of it",
                "ALTER TABLE users DROP COLUMN bio;",
                "ALTER TABLE users ADD COLUMN bio varchar(255);",
                loses=True,
            ),
        ),
    ),
    Case(
        "drop the score of users",
        (
            right(
                "ALTER TABLE users DROP COLUMN score;",
                "ALTER TABLE users ADD COLUMN score integer NOT NULL DEFAULT 0"
                " CONSTRAINT users_score_check CHECK (score BETWEEN 0 AND 100);"
                " COMMENT ON COLUMN users.score IS 'between 0 and 100';",
                loses=True,
            ),
            wrong(
                "the down forgets the comment",
                "ALTER TABLE users DROP COLUMN score;",
                "ALTER TABLE users ADD COLUMN score integer NOT NULL DEFAULT 0"
                " CONSTRAINT users_score_check CHECK (score BETWEEN 0 AND 100);",
                loses=True,
            ),
            wrong(
                "the down forgets the check",
                "ALTER TABLE users DROP COLUMN score;",
                "ALTER TABLE users ADD COLUMN score integer NOT NULL DEFAULT 0;"
                " COMMENT ON COLUMN users.score IS 'between 0 and 100';",
                loses=True,
            ),
            wrong(
                "the down forgets the default",
                "ALTER TABLE users DROP COLUMN score;",
                "ALTER TABLE users ADD COLUMN score integer NOT NULL DEFAULT 0"
                " CONSTRAINT users_score_check CHECK (score BETWEEN 0 AND 100);"
                " ALTER TABLE users ALTER COLUMN score DROP DEFAULT;"
                " COMMENT ON COLUMN users.score IS 'between 0 and 100';",
                loses=True,
            ),
        ),
    ),
    Case(
        "rename nick to display_name",
        (
            right(
                "ALTER TABLE users RENAME COLUMN nick TO display_name;",
                "ALTER TABLE users RENAME COLUMN display_name TO nick;",
            ),
            wrong(
                "it copies to a new column, and the index is gone after the down",
                "ALTER TABLE users ADD COLUMN display_name text;"
                " UPDATE users SET display_name = nick; ALTER TABLE users DROP COLUMN nick;",
                "ALTER TABLE users ADD COLUMN nick text;"
                " UPDATE users SET nick = display_name;"
                " ALTER TABLE users DROP COLUMN display_name;",
            ),
        ),
    ),
    Case(
        "ids of tags as bigint",
        (
            right(
                "ALTER TABLE order_tags ALTER COLUMN tag_id TYPE bigint;"
                " ALTER TABLE tags ALTER COLUMN id TYPE bigint;",
                "ALTER TABLE order_tags ALTER COLUMN tag_id TYPE int;"
                " ALTER TABLE tags ALTER COLUMN id TYPE int;",
            ),
            wrong(
                "the down forgets the referring column",
                "ALTER TABLE order_tags ALTER COLUMN tag_id TYPE bigint;"
                " ALTER TABLE tags ALTER COLUMN id TYPE bigint;",
                "ALTER TABLE tags ALTER COLUMN id TYPE int;",
            ),
        ),
    ),
    Case(
        "longer notes of orders, 400 characters",
        (
            right(
                "ALTER TABLE orders ALTER COLUMN note TYPE varchar(400);",
                "ALTER TABLE orders ALTER COLUMN note TYPE varchar(40);",
            ),
            wrong(
                "char pads every value and writes the table anew",
                "ALTER TABLE orders ALTER COLUMN note TYPE char(400);",
                "ALTER TABLE orders ALTER COLUMN note TYPE varchar(40) USING rtrim(note);",
                seen="rewritten",
            ),
            wrong(
                "the down is shorter than before",
                "ALTER TABLE orders ALTER COLUMN note TYPE varchar(400);",
                "ALTER TABLE orders ALTER COLUMN note TYPE varchar(20) USING left(note, 20);",
            ),
        ),
    ),
    Case(
        "shorter notes of orders, 20 characters",
        (
            right(
                "ALTER TABLE orders ALTER COLUMN note TYPE varchar(20) USING left(note, 20);",
                "ALTER TABLE orders ALTER COLUMN note TYPE varchar(40);",
                loses=True,
            ),
            wrong(
                "longer notes are in the way",
                "ALTER TABLE orders ALTER COLUMN note TYPE varchar(20);",
                "ALTER TABLE orders ALTER COLUMN note TYPE varchar(40);",
            ),
            wrong(
                "it cuts them without a word",
                "ALTER TABLE orders ALTER COLUMN note TYPE varchar(20) USING left(note, 20);",
                "ALTER TABLE orders ALTER COLUMN note TYPE varchar(40);",
            ),
        ),
    ),
    Case(
        "the age of users as a number",
        (
            right(
                "ALTER TABLE users ALTER COLUMN age TYPE integer USING age::integer;",
                "ALTER TABLE users ALTER COLUMN age TYPE text;",
            ),
            wrong(
                "all values become 0",
                "ALTER TABLE users ALTER COLUMN age TYPE integer USING 0;",
                "ALTER TABLE users ALTER COLUMN age TYPE text;",
            ),
            wrong(
                "a new column in its place loses the values",
                "ALTER TABLE users DROP COLUMN age; ALTER TABLE users ADD COLUMN age integer;",
                "ALTER TABLE users DROP COLUMN age; ALTER TABLE users ADD COLUMN age text;",
            ),
        ),
    ),
    Case(
        "totals of orders in whole cents",
        (
            right(
                "DROP VIEW open_orders; DROP MATERIALIZED VIEW totals;"
                " ALTER TABLE orders DROP CONSTRAINT orders_total_check,"
                " ALTER COLUMN total TYPE bigint USING round(total * 100),"
                " ADD CONSTRAINT orders_total_check CHECK (total >= 0);"
                f" {_VIEW}; GRANT SELECT ON open_orders TO reader;"
                f" {_TOTALS} GROUP BY 1; CREATE UNIQUE INDEX totals_user ON totals (user_id);",
                "DROP VIEW open_orders; DROP MATERIALIZED VIEW totals;"
                " ALTER TABLE orders DROP CONSTRAINT orders_total_check,"
                " ALTER COLUMN total TYPE numeric(10, 2) USING total / 100.0,"
                " ADD CONSTRAINT orders_total_check CHECK (total >= 0);"
                f" {_VIEW}; GRANT SELECT ON open_orders TO reader;"
                f" {_TOTALS} GROUP BY 1; CREATE UNIQUE INDEX totals_user ON totals (user_id);",
            ),
            wrong(
                "whole units: the cents are lost",
                "DROP VIEW open_orders; DROP MATERIALIZED VIEW totals;"
                " ALTER TABLE orders ALTER COLUMN total TYPE bigint;"
                f" {_VIEW}; GRANT SELECT ON open_orders TO reader;"
                f" {_TOTALS} GROUP BY 1; CREATE UNIQUE INDEX totals_user ON totals (user_id);",
                "DROP VIEW open_orders; DROP MATERIALIZED VIEW totals;"
                " ALTER TABLE orders ALTER COLUMN total TYPE numeric(10, 2);"
                f" {_VIEW}; GRANT SELECT ON open_orders TO reader;"
                f" {_TOTALS} GROUP BY 1; CREATE UNIQUE INDEX totals_user ON totals (user_id);",
            ),
            wrong(
                "the grant on the view is lost on the way",
                "DROP VIEW open_orders; DROP MATERIALIZED VIEW totals;"
                " ALTER TABLE orders ALTER COLUMN total TYPE bigint USING round(total * 100);"
                f" {_VIEW}; {_TOTALS} GROUP BY 1;"
                " CREATE UNIQUE INDEX totals_user ON totals (user_id);",
                "DROP VIEW open_orders; DROP MATERIALIZED VIEW totals;"
                " ALTER TABLE orders ALTER COLUMN total TYPE numeric(10, 2) USING total / 100.0;"
                f" {_VIEW}; GRANT SELECT ON open_orders TO reader;"
                f" {_TOTALS} GROUP BY 1; CREATE UNIQUE INDEX totals_user ON totals (user_id);",
            ),
        ),
    ),
    Case(
        "nobody without a nick",
        (
            right(
                "ALTER TABLE users ADD COLUMN nick_was_null boolean NOT NULL DEFAULT false;"
                " UPDATE users SET nick = email, nick_was_null = true WHERE nick IS NULL;"
                " ALTER TABLE users ALTER COLUMN nick SET NOT NULL;",
                "ALTER TABLE users DISABLE TRIGGER users_touch;"
                " ALTER TABLE users ALTER COLUMN nick DROP NOT NULL;"
                " UPDATE users SET nick = NULL WHERE nick_was_null;"
                " ALTER TABLE users DROP COLUMN nick_was_null;"
                " ALTER TABLE users ENABLE TRIGGER users_touch;",
                loses=True,
            ),
            wrong(
                "some have none",
                "ALTER TABLE users ALTER COLUMN nick SET NOT NULL;",
                "ALTER TABLE users ALTER COLUMN nick DROP NOT NULL;",
            ),
            wrong(
                "what was filled in stays after the down",
                "UPDATE users SET nick = '' WHERE nick IS NULL;"
                " ALTER TABLE users ALTER COLUMN nick SET NOT NULL;",
                "ALTER TABLE users ALTER COLUMN nick DROP NOT NULL;",
            ),
        ),
    ),
    Case(
        "emails in lower case are unique",
        (
            right(
                "CREATE UNIQUE INDEX users_email_lower ON users (lower(email));",
                "DROP INDEX users_email_lower;",
            ),
            wrong(
                "the down drops the constraint that was there",
                "CREATE UNIQUE INDEX users_email_lower ON users (lower(email));",
                "DROP INDEX users_email_lower; ALTER TABLE users DROP CONSTRAINT users_email_key;",
            ),
        ),
    ),
    Case(
        "orders may be cancelled",
        (
            right(
                f"{_STATES} ALTER TYPE order_state RENAME TO order_state_old;"
                " CREATE TYPE order_state AS ENUM ('open', 'paid', 'sent', 'cancelled');"
                " ALTER TABLE orders ALTER COLUMN state TYPE order_state"
                " USING state::text::order_state, ALTER COLUMN state SET DEFAULT 'open';"
                f" DROP TYPE order_state_old; {_VIEW}; GRANT SELECT ON open_orders TO reader;"
                f" {_TOTALS} GROUP BY 1; CREATE UNIQUE INDEX totals_user ON totals (user_id);",
                f"{_STATES} ALTER TYPE order_state RENAME TO order_state_old;"
                " CREATE TYPE order_state AS ENUM ('open', 'paid', 'sent');"
                " ALTER TABLE orders ALTER COLUMN state TYPE order_state"
                " USING state::text::order_state, ALTER COLUMN state SET DEFAULT 'open';"
                f" DROP TYPE order_state_old; {_VIEW}; GRANT SELECT ON open_orders TO reader;"
                f" {_TOTALS} GROUP BY 1; CREATE UNIQUE INDEX totals_user ON totals (user_id);",
            ),
            wrong(
                "no value can be taken out of an enum, and the down says nothing of it",
                "ALTER TYPE order_state ADD VALUE 'cancelled';",
                "SELECT 1;",
            ),
            wrong(
                "the down sorts the labels in another order",
                "ALTER TYPE order_state ADD VALUE 'cancelled' BEFORE 'open';",
                f"{_STATES} ALTER TYPE order_state RENAME TO order_state_old;"
                " CREATE TYPE order_state AS ENUM ('paid', 'open', 'sent');"
                " ALTER TABLE orders ALTER COLUMN state TYPE order_state"
                " USING state::text::order_state, ALTER COLUMN state SET DEFAULT 'open';"
                f" DROP TYPE order_state_old; {_VIEW}; GRANT SELECT ON open_orders TO reader;"
                f" {_TOTALS} GROUP BY 1; CREATE UNIQUE INDEX totals_user ON totals (user_id);",
            ),
        ),
    ),
    Case(
        "add a table of invoices",
        (
            right(
                "CREATE TABLE invoices (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
                " order_id int NOT NULL REFERENCES orders (id), sent_at timestamptz);"
                " CREATE INDEX invoices_order ON invoices (order_id);",
                "DROP TABLE invoices;",
            ),
            wrong(
                "the down takes orders along",
                "CREATE TABLE invoices (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
                " order_id int NOT NULL REFERENCES orders (id));",
                "DROP TABLE invoices; TRUNCATE orders CASCADE;",
            ),
            wrong(
                "a sequence of its own is left",
                "CREATE SEQUENCE invoice_numbers; CREATE TABLE invoices"
                " (id bigint DEFAULT nextval('invoice_numbers') PRIMARY KEY);",
                "DROP TABLE invoices;",
            ),
            wrong(
                "the type of its state is left",
                "CREATE TYPE invoice_state AS ENUM ('new'); CREATE TABLE invoices"
                " (id bigint PRIMARY KEY, state invoice_state);",
                "DROP TABLE invoices;",
            ),
            wrong(
                "it is there already, and the down drops what it has not made",
                "CREATE TABLE IF NOT EXISTS tags (id int PRIMARY KEY, label text NOT NULL);",
                "DROP TABLE tags CASCADE;",
            ),
        ),
    ),
    Case(
        "drop the log",
        (
            right(
                "DROP TABLE log;",
                "CREATE TABLE log (at timestamptz NOT NULL, what text);",
                loses=True,
            ),
            wrong(
                "the columns come back in another order",
                "DROP TABLE log;",
                "CREATE TABLE log (what text, at timestamptz NOT NULL);",
                loses=True,
            ),
            wrong(
                "it does not say that the rows are gone",
                "DROP TABLE log;",
                "CREATE TABLE log (at timestamptz NOT NULL, what text);",
            ),
        ),
    ),
    Case(
        "keep the log without the WAL",
        (
            right("ALTER TABLE log SET UNLOGGED;", "ALTER TABLE log SET LOGGED;"),
            wrong(
                "made anew, with its columns in another order",
                "CREATE UNLOGGED TABLE log2 (what text, at timestamptz NOT NULL);"
                " INSERT INTO log2 SELECT what, at FROM log; DROP TABLE log;"
                " ALTER TABLE log2 RENAME TO log;",
                "CREATE TABLE log2 (at timestamptz NOT NULL, what text);"
                " INSERT INTO log2 SELECT at, what FROM log; DROP TABLE log;"
                " ALTER TABLE log2 RENAME TO log;",
            ),
        ),
    ),
    Case(
        "the view of open orders shows the note",
        (
            right(
                f"CREATE OR REPLACE {_VIEW_NOTE.removeprefix('CREATE ')};",
                f"DROP VIEW open_orders; {_VIEW}; GRANT SELECT ON open_orders TO reader;",
            ),
            wrong(
                "the down loses the grant",
                f"CREATE OR REPLACE {_VIEW_NOTE.removeprefix('CREATE ')};",
                f"DROP VIEW open_orders; {_VIEW};",
            ),
            wrong(
                "the up loses the grant, and the down gives it back",
                f"DROP VIEW open_orders; {_VIEW_NOTE};",
                f"DROP VIEW open_orders; {_VIEW}; GRANT SELECT ON open_orders TO reader;",
            ),
        ),
    ),
    Case(
        "count the orders in totals",
        (
            right(
                "DROP MATERIALIZED VIEW totals; CREATE MATERIALIZED VIEW totals AS SELECT user_id,"
                " sum(total) AS total, count(*) AS orders FROM orders GROUP BY 1;"
                " CREATE UNIQUE INDEX totals_user ON totals (user_id);",
                f"DROP MATERIALIZED VIEW totals; {_TOTALS} GROUP BY 1;"
                " CREATE UNIQUE INDEX totals_user ON totals (user_id);",
            ),
            wrong(
                "the down forgets the index that REFRESH CONCURRENTLY needs",
                "DROP MATERIALIZED VIEW totals; CREATE MATERIALIZED VIEW totals AS SELECT user_id,"
                " sum(total) AS total, count(*) AS orders FROM orders GROUP BY 1;"
                " CREATE UNIQUE INDEX totals_user ON totals (user_id);",
                f"DROP MATERIALIZED VIEW totals; {_TOTALS} GROUP BY 1;",
            ),
        ),
    ),
    Case(
        "value added tax is 25 percent",
        (
            right(
                "CREATE OR REPLACE FUNCTION vat(amount numeric) RETURNS numeric LANGUAGE sql"
                " IMMUTABLE AS 'SELECT $1 * 0.25';",
                "CREATE OR REPLACE FUNCTION vat(amount numeric) RETURNS numeric LANGUAGE sql"
                " IMMUTABLE AS 'SELECT $1 * 0.2';",
            ),
            wrong(
                "the down has another rate than before",
                "CREATE OR REPLACE FUNCTION vat(amount numeric) RETURNS numeric LANGUAGE sql"
                " IMMUTABLE AS 'SELECT $1 * 0.25';",
                "CREATE OR REPLACE FUNCTION vat(amount numeric) RETURNS numeric LANGUAGE sql"
                " IMMUTABLE AS 'SELECT $1 * 0.19';",
            ),
            wrong(
                "it is volatile after the down",
                "CREATE OR REPLACE FUNCTION vat(amount numeric) RETURNS numeric LANGUAGE sql"
                " IMMUTABLE AS 'SELECT $1 * 0.25';",
                "CREATE OR REPLACE FUNCTION vat(amount numeric) RETURNS numeric LANGUAGE sql"
                " AS 'SELECT $1 * 0.2';",
            ),
            wrong(
                "dropped and made again, the grant is lost",
                "DROP FUNCTION vat(numeric); CREATE FUNCTION vat(amount numeric) RETURNS numeric"
                " LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 0.25';",
                "CREATE OR REPLACE FUNCTION vat(amount numeric) RETURNS numeric LANGUAGE sql"
                " IMMUTABLE AS 'SELECT $1 * 0.2';",
            ),
        ),
    ),
    Case(
        "reader may see the log",
        (
            right("GRANT SELECT ON log TO reader;", "REVOKE SELECT ON log FROM reader;"),
            wrong(
                "the down takes more than was given",
                "GRANT SELECT ON log TO reader;",
                "REVOKE SELECT ON ALL TABLES IN SCHEMA public FROM reader;",
            ),
            wrong(
                "the down leaves what was given",
                "GRANT SELECT, INSERT ON log TO reader;",
                "REVOKE SELECT ON log FROM reader;",
            ),
        ),
    ),
    Case(
        "reader may see the emails of users and nothing else of them",
        (
            right(
                "REVOKE SELECT ON users FROM reader; GRANT SELECT (id, email) ON users TO reader;",
                "REVOKE SELECT (id, email) ON users FROM reader; GRANT SELECT ON users TO reader;",
            ),
            wrong(
                "the grant on the column stays",
                "REVOKE SELECT ON users FROM reader; GRANT SELECT (id, email) ON users TO reader;",
                "GRANT SELECT ON users TO reader; REVOKE SELECT (id) ON users FROM reader;"
                " GRANT SELECT (email) ON users TO reader; GRANT SELECT ON users TO reader;",
            ),
        ),
    ),
    Case(
        "row level security for users by tenant",
        (
            right(
                "ALTER TABLE users ENABLE ROW LEVEL SECURITY; CREATE POLICY tenant ON users"
                " USING (tenant_id = current_setting('app.tenant', true)::uuid);",
                "DROP POLICY tenant ON users; ALTER TABLE users DISABLE ROW LEVEL SECURITY;",
            ),
            wrong(
                "after the down nobody sees a row",
                "ALTER TABLE users ENABLE ROW LEVEL SECURITY; CREATE POLICY tenant ON users"
                " USING (tenant_id = current_setting('app.tenant', true)::uuid);",
                "DROP POLICY tenant ON users;",
            ),
            wrong(
                "the policy stays, asleep",
                "ALTER TABLE users ENABLE ROW LEVEL SECURITY; CREATE POLICY tenant ON users"
                " USING (tenant_id = current_setting('app.tenant', true)::uuid);",
                "ALTER TABLE users DISABLE ROW LEVEL SECURITY;",
            ),
        ),
    ),
    Case(
        "the policy of orders holds for inserts too",
        (
            right(
                "DROP POLICY own ON orders; CREATE POLICY own ON orders"
                " USING (user_id = current_setting('app.user', true)::bigint)"
                " WITH CHECK (user_id = current_setting('app.user', true)::bigint);",
                "DROP POLICY own ON orders; CREATE POLICY own ON orders"
                " USING (user_id = current_setting('app.user', true)::bigint);",
            ),
            wrong(
                "the down lets everybody see everything",
                "DROP POLICY own ON orders; CREATE POLICY own ON orders"
                " USING (user_id = current_setting('app.user', true)::bigint)"
                " WITH CHECK (user_id = current_setting('app.user', true)::bigint);",
                "DROP POLICY own ON orders; CREATE POLICY own ON orders USING (true);",
            ),
        ),
    ),
    Case(
        "orders belong to the owner of the table too",
        (
            right(
                "ALTER TABLE orders FORCE ROW LEVEL SECURITY;",
                "ALTER TABLE orders NO FORCE ROW LEVEL SECURITY;",
            ),
            wrong(
                "the down switches it off",
                "ALTER TABLE orders FORCE ROW LEVEL SECURITY;",
                "ALTER TABLE orders NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY;",
            ),
        ),
    ),
    Case(
        "the trigger of users only where something changes",
        (
            right(
                "DROP TRIGGER users_touch ON users; CREATE TRIGGER users_touch BEFORE UPDATE ON"
                " users FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*)"
                " EXECUTE FUNCTION touch();",
                "DROP TRIGGER users_touch ON users; CREATE TRIGGER users_touch BEFORE UPDATE ON"
                " users FOR EACH ROW EXECUTE FUNCTION touch();",
            ),
            wrong(
                "the down forgets to switch it on again",
                "DROP TRIGGER users_touch ON users; CREATE TRIGGER users_touch BEFORE UPDATE ON"
                " users FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*)"
                " EXECUTE FUNCTION touch();",
                "DROP TRIGGER users_touch ON users; CREATE TRIGGER users_touch BEFORE UPDATE ON"
                " users FOR EACH ROW EXECUTE FUNCTION touch();"
                " ALTER TABLE users DISABLE TRIGGER users_touch;",
            ),
        ),
    ),
    Case(
        "orders stay when a user goes",
        (
            right(
                "ALTER TABLE orders DROP CONSTRAINT orders_user_id_fkey,"
                " ADD CONSTRAINT orders_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id);",
                "ALTER TABLE orders DROP CONSTRAINT orders_user_id_fkey,"
                " ADD CONSTRAINT orders_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id)"
                " ON DELETE CASCADE;",
            ),
            wrong(
                "the down forgets ON DELETE CASCADE",
                "ALTER TABLE orders DROP CONSTRAINT orders_user_id_fkey,"
                " ADD CONSTRAINT orders_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id);",
                "ALTER TABLE orders DROP CONSTRAINT orders_user_id_fkey,"
                " ADD CONSTRAINT orders_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id);",
            ),
            wrong(
                "the down leaves it unchecked",
                "ALTER TABLE orders DROP CONSTRAINT orders_user_id_fkey,"
                " ADD CONSTRAINT orders_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id);",
                "ALTER TABLE orders DROP CONSTRAINT orders_user_id_fkey,"
                " ADD CONSTRAINT orders_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id)"
                " ON DELETE CASCADE NOT VALID;",
            ),
        ),
    ),
    Case(
        "totals are positive",
        (
            right(
                "ALTER TABLE orders ADD CONSTRAINT orders_positive CHECK (total > 0) NOT VALID;"
                " ALTER TABLE orders VALIDATE CONSTRAINT orders_positive;",
                "ALTER TABLE orders DROP CONSTRAINT orders_positive;",
            ),
            wrong(
                "the down drops the other one",
                "ALTER TABLE orders ADD CONSTRAINT orders_positive CHECK (total > 0);",
                "ALTER TABLE orders DROP CONSTRAINT orders_total_check;",
            ),
        ),
    ),
    Case(
        "the state of new orders is paid",
        (
            right(
                "ALTER TABLE orders ALTER COLUMN state SET DEFAULT 'paid';",
                "ALTER TABLE orders ALTER COLUMN state SET DEFAULT 'open';",
            ),
            wrong(
                "the down leaves none",
                "ALTER TABLE orders ALTER COLUMN state SET DEFAULT 'paid';",
                "ALTER TABLE orders ALTER COLUMN state DROP DEFAULT;",
            ),
            wrong(
                "it changes the orders that are there",
                "ALTER TABLE orders ALTER COLUMN state SET DEFAULT 'paid';"
                " UPDATE orders SET state = 'paid';",
                "ALTER TABLE orders ALTER COLUMN state SET DEFAULT 'open';",
            ),
        ),
    ),
    Case(
        "full names of users, computed",
        (
            right(
                "ALTER TABLE users ADD COLUMN shown text GENERATED ALWAYS AS"
                " (coalesce(nick, email)) STORED;",
                "ALTER TABLE users DROP COLUMN shown;",
            ),
            wrong(
                "no generated column may ask for the time",
                "ALTER TABLE users ADD COLUMN shown text GENERATED ALWAYS AS"
                " (nick || now()::text) STORED;",
                "ALTER TABLE users DROP COLUMN shown;",
            ),
        ),
    ),
    Case(
        "tags have a colour, one for all that are there",
        (
            right(
                "ALTER TABLE tags ADD COLUMN colour text; UPDATE tags SET colour = 'grey';"
                " ALTER TABLE tags ALTER COLUMN colour SET NOT NULL;",
                "ALTER TABLE tags DROP COLUMN colour;",
            ),
            wrong(
                "without the update there is nothing in it",
                "ALTER TABLE tags ADD COLUMN colour text;"
                " ALTER TABLE tags ALTER COLUMN colour SET NOT NULL;",
                "ALTER TABLE tags DROP COLUMN colour;",
            ),
        ),
    ),
    Case(
        "seed the tags new and urgent",
        (
            right(
                "INSERT INTO tags (id, label) VALUES (1, 'new'), (2, 'urgent');",
                "DELETE FROM tags WHERE id IN (1, 2);",
            ),
            wrong(
                "the down deletes all tags",
                "INSERT INTO tags (id, label) VALUES (1, 'new'), (2, 'urgent');",
                "DELETE FROM order_tags; DELETE FROM tags;",
            ),
            wrong(
                "the down leaves one",
                "INSERT INTO tags (id, label) VALUES (1, 'new'), (2, 'urgent');",
                "DELETE FROM tags WHERE id = 1;",
            ),
        ),
    ),
    Case(
        "move the bio of users to a table of its own",
        (
            right(
                "CREATE TABLE bios (user_id bigint PRIMARY KEY REFERENCES users (id), bio text);"
                " INSERT INTO bios SELECT id, bio FROM users WHERE bio IS NOT NULL;"
                " ALTER TABLE users DROP COLUMN bio;",
                "ALTER TABLE users ADD COLUMN bio text;"
                " ALTER TABLE users DISABLE TRIGGER users_touch;"
                " UPDATE users SET bio = bios.bio FROM bios WHERE bios.user_id = users.id;"
                " ALTER TABLE users ENABLE TRIGGER users_touch; DROP TABLE bios;",
            ),
            wrong(
                "the down does not carry them back",
                "CREATE TABLE bios (user_id bigint PRIMARY KEY REFERENCES users (id), bio text);"
                " INSERT INTO bios SELECT id, bio FROM users WHERE bio IS NOT NULL;"
                " ALTER TABLE users DROP COLUMN bio;",
                "ALTER TABLE users ADD COLUMN bio text; DROP TABLE bios;",
            ),
            wrong(
                "the update of the down wakes the trigger, and created_at is another",
                "CREATE TABLE bios (user_id bigint PRIMARY KEY REFERENCES users (id), bio text);"
                " INSERT INTO bios SELECT id, bio FROM users WHERE bio IS NOT NULL;"
                " ALTER TABLE users DROP COLUMN bio;",
                "ALTER TABLE users ADD COLUMN bio text;"
                " UPDATE users SET bio = bios.bio FROM bios WHERE bios.user_id = users.id;"
                " DROP TABLE bios;",
            ),
        ),
    ),
    Case(
        "orders know their tenant",
        (
            right(
                "ALTER TABLE orders ADD COLUMN tenant_id uuid REFERENCES tenants (id);"
                " UPDATE orders SET tenant_id = users.tenant_id FROM users"
                " WHERE users.id = orders.user_id;"
                " ALTER TABLE orders ALTER COLUMN tenant_id SET NOT NULL;"
                " CREATE INDEX orders_tenant ON orders (tenant_id);",
                "ALTER TABLE orders DROP COLUMN tenant_id;",
            ),
            wrong(
                "a default that no tenant has",
                "ALTER TABLE orders ADD COLUMN tenant_id uuid NOT NULL"
                " DEFAULT '99999999-0000-4000-8000-000000000000' REFERENCES tenants (id);",
                "ALTER TABLE orders DROP COLUMN tenant_id;",
            ),
        ),
    ),
    Case(
        "a schema for reports",
        (
            right(
                "CREATE SCHEMA reports; CREATE TABLE reports.monthly (month date PRIMARY KEY);",
                "DROP TABLE reports.monthly; DROP SCHEMA reports;",
            ),
            wrong(
                "the down leaves the schema",
                "CREATE SCHEMA reports; CREATE TABLE reports.monthly (month date PRIMARY KEY);",
                "DROP TABLE reports.monthly;",
            ),
        ),
    ),
    Case(
        "the log moves to the schema audit",
        (
            right(
                "CREATE SCHEMA audit; ALTER TABLE log SET SCHEMA audit;",
                "ALTER TABLE audit.log SET SCHEMA public; DROP SCHEMA audit;",
            ),
            wrong(
                "the down drops it along with the schema",
                "CREATE SCHEMA audit; ALTER TABLE log SET SCHEMA audit;",
                "DROP SCHEMA audit CASCADE;",
            ),
        ),
    ),
    Case(
        "the log is partitioned by month",
        (
            right(
                "ALTER TABLE log RENAME TO log_old;"
                " CREATE TABLE log (at timestamptz NOT NULL, what text) PARTITION BY RANGE (at);"
                " CREATE TABLE log_default PARTITION OF log DEFAULT;"
                " INSERT INTO log SELECT * FROM log_old; DROP TABLE log_old;",
                "ALTER TABLE log RENAME TO log_new;"
                " CREATE TABLE log (at timestamptz NOT NULL, what text);"
                " INSERT INTO log SELECT * FROM log_new; DROP TABLE log_new;",
            ),
            wrong(
                "there is no partition for the rows",
                "ALTER TABLE log RENAME TO log_old;"
                " CREATE TABLE log (at timestamptz NOT NULL, what text) PARTITION BY RANGE (at);"
                " CREATE TABLE log_2099 PARTITION OF log FOR VALUES FROM ('2099-01-01')"
                " TO ('2100-01-01'); INSERT INTO log SELECT * FROM log_old; DROP TABLE log_old;",
                "ALTER TABLE log RENAME TO log_new;"
                " CREATE TABLE log (at timestamptz NOT NULL, what text);"
                " INSERT INTO log SELECT * FROM log_new; DROP TABLE log_new;",
            ),
            wrong(
                "the rows are left behind",
                "ALTER TABLE log RENAME TO log_old;"
                " CREATE TABLE log (at timestamptz NOT NULL, what text) PARTITION BY RANGE (at);"
                " CREATE TABLE log_default PARTITION OF log DEFAULT; DROP TABLE log_old;",
                "DROP TABLE log; CREATE TABLE log (at timestamptz NOT NULL, what text);",
            ),
        ),
    ),
    Case(
        "a key for the log",
        (
            right(
                "ALTER TABLE log ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY;",
                "ALTER TABLE log DROP COLUMN id;",
            ),
            wrong(
                "the time is no key, it is null in no row but the down leaves a unique index",
                "ALTER TABLE log ADD CONSTRAINT log_pkey PRIMARY KEY (at);",
                "ALTER TABLE log DROP CONSTRAINT log_pkey; CREATE UNIQUE INDEX log_at ON log (at);",
            ),
            wrong(
                "what is null in a row is no key",
                "ALTER TABLE log ADD PRIMARY KEY (what);",
                "ALTER TABLE log DROP CONSTRAINT log_pkey;",
            ),
        ),
    ),
    Case(
        "search users by the words of their bio",
        (
            right(
                "ALTER TABLE users ADD COLUMN bio_words tsvector GENERATED ALWAYS AS"
                " (to_tsvector('english', coalesce(bio, ''))) STORED;"
                " CREATE INDEX users_bio_words ON users USING gin (bio_words);",
                "DROP INDEX users_bio_words; ALTER TABLE users DROP COLUMN bio_words;",
            ),
            wrong(
                "the configuration is not fixed, so the expression is not immutable",
                "CREATE INDEX users_bio_words ON users USING gin (to_tsvector(bio));",
                "DROP INDEX users_bio_words;",
            ),
        ),
    ),
    Case(
        "comment the tables",
        (
            right(
                "COMMENT ON TABLE users IS 'people';"
                " COMMENT ON COLUMN users.score IS 'in percent';",
                "COMMENT ON TABLE users IS NULL;"
                " COMMENT ON COLUMN users.score IS 'between 0 and 100';",
            ),
            wrong(
                "the down takes the comment that was there",
                "COMMENT ON TABLE users IS 'people';"
                " COMMENT ON COLUMN users.score IS 'in percent';",
                "COMMENT ON TABLE users IS NULL; COMMENT ON COLUMN users.score IS NULL;",
            ),
        ),
    ),
    Case(
        "numbers of orders begin at 100000",
        (
            right(
                "ALTER SEQUENCE orders_id_seq START WITH 100000 RESTART;",
                "ALTER SEQUENCE orders_id_seq START WITH 1 RESTART WITH 7200;",
            ),
            wrong(
                "the down leaves the start",
                "ALTER SEQUENCE orders_id_seq START WITH 100000 INCREMENT BY 10 RESTART;",
                "ALTER SEQUENCE orders_id_seq START WITH 1;",
            ),
        ),
    ),
    Case(
        "a domain for emails",
        (
            right(
                "CREATE DOMAIN email AS varchar(255) CHECK (VALUE LIKE '%@%');"
                " ALTER TABLE users ALTER COLUMN email TYPE email;",
                "ALTER TABLE users ALTER COLUMN email TYPE varchar(255); DROP DOMAIN email;",
            ),
            wrong(
                "the down leaves the column without its length",
                "CREATE DOMAIN email AS varchar(255) CHECK (VALUE LIKE '%@%');"
                " ALTER TABLE users ALTER COLUMN email TYPE email;",
                "ALTER TABLE users ALTER COLUMN email TYPE varchar; DROP DOMAIN email;",
            ),
        ),
    ),
    Case(
        "forget what was logged before 2002",
        (
            right("DELETE FROM log WHERE at < '2002-01-01';", "SELECT 1;", loses=True),
            wrong("it does not say so", "DELETE FROM log WHERE at < '2002-01-01';", "SELECT 1;"),
            wrong(
                "it says so, and what is lost is shown",
                "DELETE FROM log;",
                "SELECT 1;",
                loses=True,
                seen="losing",
            ),
        ),
    ),
    Case(
        "users can be disabled",
        (
            right(
                "ALTER TABLE users ADD COLUMN disabled_at timestamptz;"
                " CREATE INDEX users_enabled ON users (id) WHERE disabled_at IS NULL;",
                "ALTER TABLE users DROP COLUMN disabled_at;",
            ),
            wrong(
                "a volatile default writes the whole table anew",
                "ALTER TABLE users ADD COLUMN disabled_at timestamptz DEFAULT clock_timestamp();",
                "ALTER TABLE users DROP COLUMN disabled_at;",
                seen="rewritten",
            ),
        ),
    ),
    Case(
        "nicks are written in small letters, without blanks around them",
        (
            right("UPDATE users SET nick = lower(trim(nick));", "SELECT 1;", loses=True),
            wrong("it does not say so", "UPDATE users SET nick = lower(nick);", "SELECT 1;"),
            wrong("nor does this", "UPDATE users SET nick = trim(nick);", "SELECT 1;"),
        ),
    ),
    Case(
        "the ids of orders go on at 100000",
        (
            right("SELECT setval('orders_id_seq', 100000);", "SELECT 1;"),
            right("ALTER SEQUENCE orders_id_seq RESTART WITH 100000;", "SELECT 1;"),
            wrong("they begin anew", "ALTER SEQUENCE orders_id_seq RESTART;", "SELECT 1;"),
            wrong("they go back", "SELECT setval('orders_id_seq', 10);", "SELECT 1;"),
        ),
    ),
    Case(
        "the totals leave out what nothing is paid for",
        (
            right(
                "DROP MATERIALIZED VIEW totals; CREATE MATERIALIZED VIEW totals AS"
                " SELECT user_id, sum(total) AS total FROM orders WHERE total > 0 GROUP BY 1;"
                " CREATE UNIQUE INDEX totals_user ON totals (user_id);",
                "DROP MATERIALIZED VIEW totals; CREATE MATERIALIZED VIEW totals AS"
                " SELECT user_id, sum(total) AS total FROM orders GROUP BY 1;"
                " CREATE UNIQUE INDEX totals_user ON totals (user_id);",
            ),
            wrong(
                "down leaves a view that nobody can read",
                "DROP MATERIALIZED VIEW totals; CREATE MATERIALIZED VIEW totals AS"
                " SELECT user_id, sum(total) AS total FROM orders WHERE total > 0 GROUP BY 1;"
                " CREATE UNIQUE INDEX totals_user ON totals (user_id);",
                "DROP MATERIALIZED VIEW totals; CREATE MATERIALIZED VIEW totals AS"
                " SELECT user_id, sum(total) AS total FROM orders GROUP BY 1 WITH NO DATA;"
                " CREATE UNIQUE INDEX totals_user ON totals (user_id);",
            ),
        ),
    ),
    Case(
        "timestamps are shown in UTC",
        (
            right(
                "ALTER ROLE CURRENT_USER SET timezone = 'UTC';",
                "ALTER ROLE CURRENT_USER RESET timezone;",
            ),
            wrong(
                "down leaves the role's setting",
                "ALTER ROLE CURRENT_USER SET timezone = 'UTC';",
                "SELECT 1;",
            ),
            wrong(
                "down leaves a password",
                "ALTER ROLE CURRENT_USER PASSWORD 'x';",
                "SELECT 1;",
            ),
        ),
    ),
)
