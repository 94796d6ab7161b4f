"""Which part of a schema is sent, what its house rules are, and what a budget leaves out."""

from __future__ import annotations

import pytest

from nself_tasks.drafting import from_text, redaction
from nself_tasks.drafting.conventions import house_rules
from nself_tasks.drafting.draft import Fault
from nself_tasks.drafting.prompt import again, request
from nself_tasks.drafting.relevant import BUDGET, ranked, relevant
from nself_tasks.drafting.tables import Column, Outline, Table


def table(name: str, *references: str, columns: int = 3) -> Table:
    named = tuple(Column(f"{name}_{n}", "text") for n in range(columns))
    return Table("public", name, columns=named, references=tuple(f"public.{r}" for r in references))


def many(count: int) -> Outline:
    """A schema of that many tables around `users`, each with a foreign key to it."""
    tables = [table(f"thing_{n:04}", "users", columns=12) for n in range(count - 1)]
    return Outline((*tables, table("users")))


def first_names(outline: Outline, description: str) -> list[str]:
    return [t.name for t in ranked(outline.tables, description)]


@pytest.mark.parametrize("count", [0, 1, 31, 2000])
def test_a_schema_of_any_size_keeps_to_the_budget(count: int) -> None:
    outline = many(count) if count else Outline(())
    text = relevant(outline, "add stripe_customer_id to users table")
    assert len(text) <= BUDGET
    assert count == 0 or "table public.users\n  users_0 text" in text


def test_a_table_of_1600_wide_columns_keeps_to_the_budget() -> None:
    wide = Table(
        "public", "wide", columns=tuple(Column("c" * 60 + str(n), "t" * 400) for n in range(1600))
    )
    text = relevant(Outline((wide,)), "change wide")
    assert len(text) <= BUDGET
    assert "(the rest of this table is left out)" in text


def test_the_whole_request_of_2000_tables_is_small() -> None:
    sent = request("add a note to users", many(2000), names=[f"m_{n}" for n in range(5000)])
    assert len(sent.system) + len(sent.user) < BUDGET + 5_000
    assert "other tables: " in sent.user
    assert " more" in sent.user


NEIGHBOURS = Outline(
    (
        *(table(f"far_{n}") for n in range(40)),
        table("orders", "customers"),
        table("customers"),
        table("order_lines", "orders"),
        table("np_chat_messages"),
        table("categories"),
        table("addresses", "customers"),
    )
)


def test_named_tables_come_first_then_their_neighbours() -> None:
    names = first_names(NEIGHBOURS, "add a discount to orders")
    assert names[0] == "orders"
    assert set(names) == {"orders", "customers", "order_lines"}


@pytest.mark.parametrize(
    ("description", "name"),
    [
        ("every category gets a colour", "categories"),
        ("an order can be cancelled", "orders"),
        ("messages can be pinned", "np_chat_messages"),
        ("addresses need a country", "addresses"),
        ("a customer's address needs a country", "addresses"),
        ("remember far_7_1 with a date", "far_7"),
    ],
)
def test_a_table_is_meant_by_singular_plural_last_word_or_column(
    description: str, name: str
) -> None:
    assert name in first_names(NEIGHBOURS, description)


def test_of_the_tables_around_a_hub_only_some_are_sent() -> None:
    text = relevant(many(500), "add a note to users")
    assert text.count("table public.thing_") == 12
    assert "other tables: public.thing_0012, " in text


def test_a_small_schema_is_sent_whole() -> None:
    assert len(first_names(many(20), "something else")) == 20


def test_house_rules_are_read_off_the_schema() -> None:
    tables = [
        Table(
            "public",
            name,
            columns=(
                Column("id", "uuid", not_null=True, default="gen_random_uuid()"),
                Column("tenant_id", "uuid", not_null=True),
                Column("createdAt", "timestamptz", not_null=True, default="now()"),
            ),
            rules=(f"CREATE INDEX idx_{name}_tenant ON {name} (tenant_id)",),
            row_security=True,
        )
        for name in ("orders", "invoices")
    ]
    rules = "\n".join(house_rules(Outline(tuple(tables)), ["create_orders", "add_invoices"]))
    assert "`id uuid not null default gen_random_uuid()`" in rules
    assert "`createdAt timestamptz not null default now()`" in rules
    assert "`tenant_id` belongs to tenants: ENABLE ROW LEVEL SECURITY" in rules
    assert "like those of public.orders, public.invoices" in rules
    assert "`idx_orders_tenant`" in rules
    assert "create_orders, add_invoices" in rules
    assert "table names are plural" in rules


def test_an_empty_schema_has_the_usual_rules() -> None:
    rules = "\n".join(house_rules(Outline(()), []))
    assert "created_at timestamptz" in rules
    assert "row level security" in rules


def test_tables_are_read_from_the_text_of_migrations() -> None:
    read = from_text.outline(
        [
            'CREATE TABLE IF NOT EXISTS public."users" (id bigint PRIMARY KEY, note text);',
            "CREATE TABLE shop.orders (i int, user_id int REFERENCES users (id), CHECK (i > 0));",
            "CREATE INDEX orders_user_idx ON shop.orders (user_id);",
            "ALTER TABLE users ADD COLUMN IF NOT EXISTS mail text NOT NULL, DROP COLUMN note;",
            "CREATE TABLE gone (id int); DROP TABLE gone;",
        ]
    )
    found = {table.full_name: table for table in read.tables}
    assert sorted(found) == ["public.users", "shop.orders"]
    assert [c.name for c in found["public.users"].columns] == ["id", "mail"]
    assert found["shop.orders"].references == ("public.users",)
    assert len(found["shop.orders"].rules) == 2


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO users VALUES (1, 'x');",
        "COPY users FROM stdin;\n1\tx\n\\.\n",
        "DO $$ BEGIN NULL; END $$;",
        "SELECT 1; UPDATE users SET a = 1;",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$SELECT 1$$;",
        "CREATE TABLE copied AS SELECT 1 AS one;",
        "this is no SQL ' at all",
        "CREATE TABLE broken (id int",
        "ALTER TABLE nowhere ADD COLUMN x int;",
    ],
)
def test_what_makes_no_table_is_left(text: str) -> None:
    assert [t.name for t in from_text.outline([text]).tables if t.name != "broken"] == []


@pytest.mark.parametrize(
    "sql",
    [
        "kind text DEFAULT 'short' CHECK (kind IN ('short', 'long'))",
        "tenant_id = current_setting('app.tenant')::uuid",
        "id bigint DEFAULT nextval('orders_id_seq'::regclass)",
        "visibility IN ('public', 'private')",
    ],
)
def test_literals_that_name_things_stay(sql: str) -> None:
    assert redaction.sql(sql) == sql


@pytest.mark.parametrize(
    "sql",
    [
        "password text DEFAULT 'planted'",
        "x = E'planted' AND token IS NULL",
        "body text DEFAULT $tag$planted $tag$ -- secret",
        "CHECK (api_key <> 'planted')",
        "note text DEFAULT 'planted" + " and a long text" * 8 + "'",
        "x text -- planted",
    ],
)
def test_literals_that_may_be_secrets_go(sql: str) -> None:
    assert "planted" not in redaction.sql(sql, about="token" if "$tag$" in sql else "")


@pytest.mark.parametrize(
    "token",
    [
        "sk_live_51H8xYzAbCdEf",
        "sk-proj-abcdefgh12345678",
        "AKIAIOSFODNN7EXAMPLE",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIi",
        "5f4dcc3b5aa765d61d8327deb882cf99",
        "aB3dE5gH7jK9mN1pQ3sT5v",
    ],
)
def test_what_looks_like_an_issued_key_goes(token: str) -> None:
    assert token not in redaction.without_secrets(f"default '{token}'", ())


@pytest.mark.parametrize(
    "word",
    [
        "idx_organization_memberships_organization_id_2024",
        "gen_random_uuid()",
        "organizationMembershipInvitations",
        "550e8400-e29b-41d4-a716-446655440000",
    ],
)
def test_names_are_no_keys(word: str) -> None:
    assert redaction.without_secrets(word, ()) == word


def test_no_secret_goes_back_with_a_fault() -> None:
    fault = Fault("up", "there is no planted-secret in API_KEY=planted-other", "42P01", 3)
    text = again([fault], ["planted-secret"])
    assert "up, line 3: there is no *** in API_KEY=*** (42P01)" in text
