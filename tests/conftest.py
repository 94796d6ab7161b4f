"""Fixtures for all tests: a clean environment, a Postgres server, a project, the command.

NSELF_TEST_SERVER   embedded | local | docker | postgresql://… ; a kind asked for has to be there.
                    Unset: the first of these three that is.
NSELF_TEST_REQUIRE  all: a run that left out a test fails.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import servers_for_tests as servers
from onlooker import Onlooker
from servers_for_tests import Nself, Project, ScratchServer

from nself_tasks.database.servers.binaries import Installation, dump_tools

STRIPPED = ("POSTGRES_", "PG", "NSELF_")
KEPT = ("NSELF_TEST_", "NSELF_CORPUS")
SKIPPED = pytest.StashKey[Counter[str]]()
TESTS = Path(__file__).parent


def pytest_configure(config: pytest.Config) -> None:
    config.stash[SKIPPED] = Counter()
    config.pluginmanager.register(LeftOut(config), "left-out")
    # here, not in a fixture: a module may look at the environment when it is imported
    for name in list(os.environ):
        stripped = name.startswith(STRIPPED) and not name.startswith(KEPT)
        if stripped or name in ("DATABASE_URL", "ENV"):
            del os.environ[name]
    # a shell starts background jobs with Ctrl-C ignored, and the commands would inherit that
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "server" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.postgres)


class LeftOut:
    """Counts skips and deselections with their reasons; a run that was to have none fails.

    The corpus is no part of the project, so its tests may be left out of every run.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.skipped: Counter[str] = config.stash[SKIPPED]
        self.corpus: Counter[str] = Counter()
        self.deselected = 0
        self.all_required = os.environ.get("NSELF_TEST_REQUIRE") == "all"

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._count(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._count(report)

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        self.deselected += len(items)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.all_required and self.skipped and session.exitstatus in (0, 5):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        skipped = self.skipped + self.corpus
        reasons = [f"{count}: {reason}" for reason, count in skipped.most_common()]
        if self.deselected:
            reasons.append(f"{self.deselected}: not asked for by -m, -k or --deselect")
        count = skipped.total() + self.deselected
        why = f" ({'; '.join(reasons)})" if reasons else ""
        terminalreporter.write_line(f"left out: {count}{why}")
        if self.all_required and self.skipped:
            terminalreporter.write_line("failed: NSELF_TEST_REQUIRE=all allows no skip", red=True)

    def _count(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            told = (
                report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
            )
            counter = self.corpus if "corpus" in report.keywords else self.skipped
            counter[told.removeprefix("Skipped: ")] += 1


@pytest.fixture(autouse=True)
def empty_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No ~/.pgpass, ~/.psqlrc or AI key of the developer is seen, by subprocesses neither."""
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest) -> Iterator[ScratchServer]:
    """A running Postgres server with the superuser `postgres`."""
    wanted = os.environ.get("NSELF_TEST_SERVER", "")
    if "://" in wanted:
        yield servers.existing(wanted, "url")
        return
    if wanted and wanted not in servers.KINDS:
        pytest.fail(f"NSELF_TEST_SERVER={wanted} is none of {', '.join(servers.KINDS)}, a URL")
    kinds = (wanted,) if wanted else servers.KINDS
    kind = next(filter(servers.available, kinds), None)
    if kind == "docker":
        yield servers.existing(request.getfixturevalue("url_in_docker"), kind)
    elif kind:
        with servers.started(kind) as running:
            yield running
    elif wanted:
        pytest.fail(f"NSELF_TEST_SERVER={wanted} is asked for, but is not here")
    else:
        pytest.skip(f"no Postgres server {servers.APT}")


@pytest.fixture(scope="session")
def server_major(server: ScratchServer) -> int:
    """The server's major version."""
    return server.major


@pytest.fixture(scope="session")
def tools(server_major: int) -> Installation:
    """pg_dump, pg_restore and psql of the server's major version."""
    if found := dump_tools(server_major):
        return found
    pytest.skip(f"no pg_dump of PostgreSQL {server_major} (apt: postgresql-client-{server_major})")


@pytest.fixture(scope="session")
def corpus() -> Path:
    """A folder of real projects' files, which is no part of the clone."""
    folder = Path(os.environ.get("NSELF_CORPUS") or TESTS.parents[1] / "shared" / "corpus")
    if not folder.is_dir():
        pytest.skip("no corpus of real projects beside the clone: NSELF_CORPUS names one")
    return folder


@pytest.fixture
def database(server: ScratchServer) -> Iterator[str]:
    """The URL of an empty database of this test's own."""
    name = f"test_{secrets.token_hex(6)}"
    yield server.create_database(name)
    server.drop_database(name)


@pytest.fixture
def nobody_else_writes(server: ScratchServer) -> Iterator[None]:
    """Autovacuum writes too, in any database, and a backup before that is not used again."""
    at_all = Onlooker(server.url)
    at_all.rows("ALTER SYSTEM SET autovacuum = off")
    at_all.rows("SELECT pg_reload_conf()")
    at_work = "SELECT 1 FROM pg_stat_activity WHERE backend_type LIKE 'autovacuum%'"
    assert servers.within(30, lambda: not at_all.rows(at_work))
    yield
    at_all.rows("ALTER SYSTEM RESET autovacuum")
    at_all.rows("SELECT pg_reload_conf()")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A minimal v2 project without any migration."""
    return servers.new_project(tmp_path / "demo")


@pytest.fixture
def nself(project: Project, database: str) -> Iterator[Nself]:
    """The command as a process in `project`, with `database` as its DATABASE_URL."""
    command = Nself(project.root, {"DATABASE_URL": database})
    yield command
    command.close()


@pytest.fixture
def nself_offline(project: Project) -> Iterator[Nself]:
    """The command as a process in `project`, without a database configured."""
    command = Nself(project.root, {})
    yield command
    command.close()


# --- Docker, by pytest-docker, used only where NSELF_TEST_SERVER or the lack of others says so ---


@pytest.fixture(scope="session")
def docker_compose_file() -> str:
    return str(TESTS / "docker-compose.yml")


@pytest.fixture(scope="session")
def docker_compose_command() -> str:
    return servers.compose_command()


@pytest.fixture(scope="session")
def docker_setup(docker_compose_command: str) -> list[str]:
    # Debian's docker-compose 1.29 has no --wait
    return ["up -d"] if shutil.which(docker_compose_command) else ["up --build --wait"]


@pytest.fixture(scope="session")
def url_in_docker(request: pytest.FixtureRequest) -> str:
    services = request.getfixturevalue("docker_services")
    host = request.getfixturevalue("docker_ip")
    url = f"postgresql://postgres@{host}:{services.port_for('postgres', 5432)}/postgres"
    services.wait_until_responsive(lambda: servers.answers(url), timeout=90, pause=0.3)
    return url
