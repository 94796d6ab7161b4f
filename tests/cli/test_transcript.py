"""The commands of the documentation page, one after the other: in a v2 and in a v1 project.

The page's own workflows: look, apply, undo, write a migration, apply it, what CI asks, and the
upgrade of a v1 project. Its `generate` with a model is not in yet: the files are empty then, as
with `--no-ai`, and filled in here as a user would.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import plugins_for_tests as plugins
import pytest
import v1_projects
from servers_for_tests import Nself, Project, Result, ScratchServer
from v1_projects import tree

COMPOSE = Path(__file__).parents[2] / "examples" / "bookshop" / "docker-compose.yml"
FILES = {
    "20260501000000_initial_schema": "CREATE TABLE users (id bigint PRIMARY KEY);",
    "20260505000000_add_plans": "CREATE TABLE plans (id bigint PRIMARY KEY);",
    "20260506000000_add_invoices": "CREATE TABLE invoices (id bigint PRIMARY KEY);",
    "20260507110000_add_payments": "CREATE TABLE payments (id bigint PRIMARY KEY);",
    "20260507142301_add_stripe_customer_id": "ALTER TABLE users ADD stripe_customer_id text;",
}
VERSIONS = [name.split("_")[0] for name in FILES]


@dataclass(frozen=True, slots=True)
class Page:
    """The project on which the page's commands run."""

    project: Project
    nself: Nself

    def run(self, *arguments: str, code: int = 0) -> Result:
        """Run a command that must end with this exit code."""
        done = self.nself(*arguments)
        assert done.code == code, f"{arguments}\n{done.out}\n{done.err}"
        return done

    def states(self, *more: str) -> dict[str, str]:
        """The state of every version, as `status` tells it."""
        found = self.nself("status", "--json", *more).json()["migrations"]
        return {migration["version"]: migration["state"] for migration in found}

    def applied(self, *more: str) -> list[str]:
        """The versions that are applied."""
        return [version for version, state in self.states(*more).items() if state == "applied"]

    def generated(self, done: Result, sql: str) -> str:
        """The version of a pair that `generate` said it made, with SQL written into it."""
        up, down = re.findall(r"^→ Created: (\S+)$", done.out, re.MULTILINE)
        assert down == up.replace(".sql", ".down.sql")
        path = self.project.root / up
        assert re.fullmatch(r"\d{14}_[a-z0-9_]+", path.stem)
        refused = self.run("run", "--dry-run", code=1)
        assert f"{up}: has no statement" in refused.err
        path.write_text(path.read_text() + sql)
        return path.name.split("_")[0]


@pytest.fixture
def page(project: Project, nself_offline: Nself, server: ScratchServer) -> Iterator[Page]:
    """A project with five migrations and a database each for dev and staging."""
    names = [f"page_{name}_{project.root.parent.name[-20:]}" for name in ("dev", "staging")]
    dev, staging = (server.create_database(name) for name in names)
    project.write("docker-compose.yml", COMPOSE.read_text())
    project.write(".env", f"PROJECT_NAME=demo\nDATABASE_URL={dev}\n")
    project.write(".env.staging", f"DATABASE_URL={staging}\n")
    for name, up in FILES.items():
        version, _, rest = name.partition("_")
        project.migration(version, rest, up, _down(up))
    yield Page(project, nself_offline)
    for name in names:
        server.drop_database(name)


def _down(up: str) -> str:
    what = up.split()[2]
    added = up.startswith("ALTER")
    return f"ALTER TABLE {what} DROP stripe_customer_id;" if added else f"DROP TABLE {what};"


def test_the_commands_of_the_page_work_in_its_order(page: Page) -> None:
    _usage(page)
    _run_section(page)
    _rollback_section(page)
    _generate_section(page)
    _workflows(page)


def _usage(page: Page) -> None:
    """`detect`, `run`, `rollback`: the page's first lines."""
    detected = page.run("detect").out.splitlines()
    assert detected[0].split() == ["ARTIFACT", "STATUS", "NOTES"]
    assert detected[1].split(maxsplit=2) == ["docker-compose.yml", "ok", "already v2 format"]
    assert page.run("run").out.startswith("5 migrations applied")
    assert page.applied() == VERSIONS
    assert page.run("rollback").out.startswith("1 migration rolled back")
    assert page.applied() == VERSIONS[:-1]


def _run_section(page: Page) -> None:
    """`run`, `run --dry-run`, `run --env staging`, `run --to`."""
    assert page.run("run").out.startswith("1 migration applied")
    planned = page.run("run", "--dry-run")
    assert planned.out.splitlines()[-1] == "0 pending; nothing was changed"
    to_staging = ("--env", "staging", "--to", "20260507120000")
    assert page.run("run", *to_staging).out.startswith("4 migrations applied")
    assert page.applied("--env", "staging") == VERSIONS[:4]
    assert page.run("run", "--env", "staging").out.startswith("1 migration applied")
    assert page.run("run", "--to", "20260507120000").out.startswith("nothing to do")
    assert page.applied() == page.applied("--env", "staging") == VERSIONS


def _rollback_section(page: Page) -> None:
    """`rollback`, `rollback --steps 3`, `rollback --to`: undo what is above the bound."""
    page.run("rollback")
    assert page.applied() == VERSIONS[:4]
    assert page.run("rollback", "--steps", "3").out.startswith("3 migrations rolled back")
    assert page.applied() == VERSIONS[:1]
    page.run("run", "--to", "20260507120000")
    assert page.applied() == VERSIONS[:4]
    assert page.run("rollback", "--to", "20260506000000").out.startswith("1 migration rolled back")
    assert page.applied() == VERSIONS[:3]


def _generate_section(page: Page) -> None:
    """`generate DESCRIPTION`, `generate DESCRIPTION --no-ai`: a pair of files each."""
    made = page.run("generate", "add stripe_customer_id to users table")
    assert "20" in page.generated(made, "ALTER TABLE plans ADD note text;")
    made = page.run("generate", "custom rls policy", "--no-ai")
    assert "_custom_rls_policy.sql" in made.out
    page.generated(made, "ALTER TABLE users ENABLE ROW LEVEL SECURITY;")
    assert len(page.states()) == 7


def _workflows(page: Page) -> None:
    """Upgrade a project, add a migration, and what CI asks."""
    page.run("detect")
    assert "4 pending" in page.run("run", "--dry-run").out
    assert page.run("run").out.startswith("4 migrations applied")
    made = page.run("generate", "add last_login_at column to users")
    version = page.generated(made, "ALTER TABLE users ADD last_login_at timestamptz;")
    assert f"migrate:apply:{version}" in page.run("run", "--dry-run").out
    assert page.run("run").out.startswith("1 migration applied")
    page.run("detect", "--strict")
    assert "0 pending" in page.run("run", "--dry-run").out


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--to", "yesterday"),
        ("rollback", "--steps", "0"),
        ("run", "--env", "prod", "--skip-backup"),
        ("run", "--backwards"),
        ("generate",),
    ],
)
def test_invalid_arguments_end_with_2(page: Page, arguments: tuple[str, ...]) -> None:
    page.run(*arguments, code=2)


def test_strict_detection_of_a_v1_project_ends_with_3(v1: Page) -> None:
    assert re.search(r"^docker-compose\.yml +migrate ", v1.run("detect").out, re.MULTILINE)
    v1.run("detect", "--strict", code=3)


def test_a_failed_migration_ends_with_1(page: Page) -> None:
    page.project.migration("20260508000000", "broken", "SELECT 1/0;")
    failed = page.run("run", code=1)
    assert "The database is as it was before 20260508000000." in failed.err
    assert page.applied() == VERSIONS


# --- upgrading a v1 project ---


@pytest.fixture
def v1(project: Project, nself_offline: Nself, database: str) -> Page:
    """A v1 project with the page's four kinds of artifact and two migrations."""
    v1_projects.write(project.root)
    project.write(".env", f"{v1_projects.ENV}DATABASE_URL={database}\n")
    plugins.write(project.root / "plugins", "ai", plugins.V2, file="manifest.json")
    for name, up in list(FILES.items())[:2]:
        version, _, rest = name.partition("_")
        project.migration(version, rest, up, _down(up))
    return Page(project, nself_offline)


def _rows(done: Result) -> dict[str, tuple[str, str]]:
    """The table of `detect`: STATUS and NOTES by ARTIFACT, cut where its header row says."""
    header, *lines = done.out.splitlines()
    assert re.fullmatch(r"ARTIFACT {2,}STATUS {2,}NOTES", header)
    status, notes = header.index("STATUS"), header.index("NOTES")
    assert all(line[status - 2 : status] == line[notes - 2 : notes] == "  " for line in lines)
    return {line[:status].rstrip(): (line[status:notes].rstrip(), line[notes:]) for line in lines}


def test_the_upgrade_of_the_page_works_in_its_order(v1: Page) -> None:
    before = tree(v1.project.root)
    _see_what_will_change(v1)
    _confirm_the_plan(v1)
    assert (tree(v1.project.root), v1.applied()) == (before, [])
    _apply_the_upgrade(v1)
    assert v1.applied() == VERSIONS[:2]
    _ask_as_ci_does(v1)


def _see_what_will_change(v1: Page) -> None:
    """`detect`: the rows that the page shows, with their status and the beginning of the note."""
    rows = _rows(v1.run("detect"))
    for artifact, status, notes in (
        ("docker-compose.yml", "migrate", "v1 format"),
        (".env", "migrate", "2 deprecated keys found: HASURA_ADMIN_SECRET, TZ"),
        ("nginx/sites/hasura.conf", "migrate", "v1 format"),
        ("nginx/sites/own.conf", "keep", "written by hand"),
        ("plugins/ai/manifest.json", "ok", "already v2 format"),
    ):
        assert rows[artifact][0] == status
        assert rows[artifact][1].startswith(notes)


def _confirm_the_plan(v1: Page) -> None:
    """`run --dry-run`: every migration, every file, and that nothing was changed."""
    planned = v1.run("run", "--dry-run").out.splitlines()
    steps = [line.split()[1] for line in planned if line.startswith(("run ", "check "))]
    assert [s for s in steps if s.startswith("migrate:apply:")] == [
        f"migrate:apply:{version}" for version in VERSIONS[:2]
    ]
    installs = [s for s in steps if s.startswith("migrate:install:")]
    assert "migrate:install:docker-compose.yml" in installs
    assert steps[0] == "migrate:scan"
    assert steps[-2:] == ["migrate:record", "migrate:hasura"]
    files = f"{len(installs)} files to upgrade, 2 pending; nothing was changed"
    assert planned[-1] == files


def _apply_the_upgrade(v1: Page) -> None:
    """`run`: files and migrations, each with its backup and the way back."""
    out = v1.run("run").out
    assert re.search(r"^\d+ files upgraded: .*\bdocker-compose\.yml\b", out, re.MULTILINE)
    assert "put them back with `nself migrate rollback --files`" in out
    assert re.search(r"^2 migrations applied on .* \(dev\)$", out, re.MULTILINE)
    assert len(re.findall(r"^backup: \.nself/backup/\d{8}-\d{6}", out, re.MULTILINE)) == 1
    assert v1.run("run").out.startswith("nothing to do")


def _ask_as_ci_does(v1: Page) -> None:
    """`detect --strict`, `run --dry-run`: nothing is v1, nothing is pending."""
    rows = _rows(v1.run("detect", "--strict"))
    assert {status for status, _ in rows.values()} == {"ok", "keep"}
    assert rows["docker-compose.yml"] == ("ok", "already v2 format")
    assert rows["plugins/ai/manifest.json"] == ("ok", "already v2 format")
    assert v1.run("run", "--dry-run").out.splitlines()[-1] == "0 pending; nothing was changed"


def test_no_secret_shows_in_the_upgrade(v1: Page) -> None:
    for arguments in (("detect", "--verbose"), ("run", "--dry-run", "--diff"), ("run",)):
        done = v1.run(*arguments)
        assert "dev-secret-one" not in done.out + done.err
