"""`nself maintenance` on the command line, and on trees in which it cannot work."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import nginx_projects
import pytest
import v1_projects
from observation import violations
from servers_for_tests import Nself, Project, Result
from v1_projects import tree

from nself_tasks.delegation import ours
from nself_tasks.discovery import Project as Found
from nself_tasks.maintenance.blocks import blocks_of
from nself_tasks.maintenance.layout import read_layout
from nself_tasks.maintenance.service import read_service
from nself_tasks.maintenance.snippet import Wanted, render, wanted_of

SNIPPET = "nginx/conf.d/0-nself-maintenance.conf"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return v1_projects.write(tmp_path / "shop")


@pytest.fixture
def nself(shop: Path) -> Nself:
    """The command in a v1 project, with no `docker` on PATH."""
    return Nself(shop, {"PATH": str(shop.parent / "empty")})


def refused(nself: Nself, shop: Path) -> Result:
    """What `enable` says where it changes nothing."""
    before = tree(shop)
    result = nself("maintenance", "enable")
    assert (result.code, tree(shop)) == (1, before), result.out
    return result


# --- whose command it is ---


@pytest.mark.parametrize("action", ["enable", "disable", "status"])
def test_three_of_its_words_are_ours(action: str) -> None:
    assert ours("nself", ["maintenance", action, "--json"]) == ["maintenance", action, "--json"]
    assert ours("nself-migrate", ["maintenance", action]) == ["maintenance", action]


@pytest.mark.parametrize("arguments", [["disk-cleanup"], ["schedule", "--daily"]], ids=str)
def test_its_other_words_are_the_go_clis(arguments: list[str]) -> None:
    assert ours("nself", ["maintenance", *arguments]) is None


def test_it_is_no_subcommand_of_migrate() -> None:
    assert ours("nself", ["migrate", "maintenance", "enable"]) is None


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("schedule",),
        ("enable", "--retry-after", "0"),
        ("enable", "--retry-after", "soon"),
        ("enable", "--message", ""),
        ("enable", "--message", "two\nlines"),
        ("enable", "--message", "x" * 301),
        ("disable", "--message", "x"),
        ("status", "--retry-after", "60"),
    ],
    ids=str,
)
def test_what_cannot_be_meant_ends_with_2_and_changes_nothing(
    nself: Nself, shop: Path, arguments: tuple[str, ...]
) -> None:
    before = tree(shop)
    assert nself("maintenance", *arguments).code == 2
    assert tree(shop) == before


def test_the_longest_message_is_a_word_that_nginx_takes() -> None:
    for sign in ('"', "$", "&", "'", "\\", "ü", "🛠"):
        text = render([], Wanted(1, sign * 300))
        assert all(len(line.encode()) < 4096 for line in text.splitlines())
        assert wanted_of(text).message == sign * 300


# --- trees in which it cannot work ---


def test_without_docker_the_file_is_in_place_and_the_exit_code_is_1(
    nself: Nself, shop: Path
) -> None:
    result = nself("maintenance", "enable")
    assert result.code == 1
    assert "there is no `docker` on PATH" in result.err
    assert "The file is in place" in result.err
    assert (shop / SNIPPET).exists()


def test_a_site_that_does_not_answer_is_no_answer_of_status(nself: Nself) -> None:
    result = nself("maintenance", "status", "--json")
    assert (result.code, result.json()["site"]) == (1, "unpublished")
    assert violations(result.json(), "maintenance") == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("nginx/conf.d/!first.conf", "server { listen 80; server_name first.test; }\n"),
        (
            "nginx/nginx.conf",
            nginx_projects.HTTP.replace("ZONES", "server { listen 80; server_name in.test; }"),
        ),
    ],
    ids=["in the folder", "in the main file"],
)
def test_a_server_that_nginx_reads_first_is_named(
    nself: Nself, shop: Path, path: str, text: str
) -> None:
    (shop / path).write_text(text)
    result = refused(nself, shop)
    assert "reads servers before any file that maintenance could add" in result.err
    assert f"  {path}:" in result.err


def test_a_main_file_that_reads_no_folder_is_refused(nself: Nself, shop: Path) -> None:
    (shop / "nginx/nginx.conf").write_text("events {}\nhttp { server { listen 80; } }\n")
    assert "nginx reads no folder of this project" in refused(nself, shop).err


def test_a_stack_without_nginx_is_refused(project: Project) -> None:
    command = Nself(project.root, {})
    result = command("maintenance", "enable", "--json")
    assert "has no service `nginx`" in result.json()["error"]["message"]
    assert violations(result.json(), "error") == []


def test_a_file_of_that_name_that_is_not_ours_is_left_alone(nself: Nself, shop: Path) -> None:
    (shop / SNIPPET).write_text("# mine\n")
    assert "was not written by this command" in refused(nself, shop).err
    assert nself("maintenance", "disable").code == 1
    assert (shop / SNIPPET).read_text() == "# mine\n"


def test_a_folder_that_leads_out_of_the_project_is_not_written_to(nself: Nself, shop: Path) -> None:
    outside = shop.parent / "outside"
    (shop / "nginx/conf.d").rename(outside)
    (shop / "nginx/conf.d").symlink_to(outside)
    before = sorted(outside.iterdir())
    nself("maintenance", "enable")
    assert sorted(outside.iterdir()) == before


def test_a_tree_that_cannot_be_read_any_more_is_taken_out_of_maintenance(
    nself: Nself, shop: Path
) -> None:
    before = tree(shop)
    nself("maintenance", "enable")
    (shop / "docker-compose.yml").write_text("services: [")
    result = nself("maintenance", "disable")
    assert (result.code, (shop / SNIPPET).exists()) == (1, False)
    assert "The file is taken away" in result.err
    assert "docker-compose.yml" in before


# --- what is read of a tree ---


def test_what_a_servers_own_includes_bring_in_is_repeated(shop: Path) -> None:
    (shop / "nginx/includes/tls.conf").write_text("ssl_certificate /etc/nginx/ssl/own.pem;\n")
    (shop / "nginx/sites/own.conf").write_text(
        "server { listen 443 ssl default_server reuseport backlog=9; listen [::]:443 ssl;\n"
        "include includes/tls.conf; include /etc/letsencrypt/options-ssl-nginx.conf;\n"
        "server_name a.test *.b.test; }\n"
    )
    [block] = [
        b for b in blocks_of(read_layout(Found(shop, shop), lambda _: None).servers)
        if "a.test" in b.names
    ]  # fmt: skip
    assert block.listens == ("443 ssl", "[::]:443 ssl")
    assert block.names == ("a.test", "*.b.test")
    assert block.kept == (
        "ssl_certificate /etc/nginx/ssl/own.pem;",
        "include /etc/letsencrypt/options-ssl-nginx.conf;",
    )


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ('["8080:80"]', [(80, "127.0.0.1", 8080)]),
        ('["127.0.0.2:8080:80/tcp"]', [(80, "127.0.0.2", 8080)]),
        ('["0.0.0.0:8080:80"]', [(80, "127.0.0.1", 8080)]),
        ('["${PORT:-81}:80", "${TLS}:443"]', [(80, "127.0.0.1", 81), (443, "127.0.0.1", 8443)]),
        ("[{target: 80, published: 90, host_ip: 127.0.0.3}]", [(80, "127.0.0.3", 90)]),
        ('["80"]', []),
        ('["8000-8010:80-90"]', []),
    ],
)
def test_the_published_ports_are_read_as_compose_means_them(
    tmp_path: Path, written: str, read: list[tuple[int, str, int]]
) -> None:
    path = tmp_path / "docker-compose.yml"
    path.write_text(f"services: {{nginx: {{ports: {written}}}}}\n")
    service = read_service(Found(tmp_path, tmp_path), path, {"TLS": "8443"}.get)
    assert list(service.ports) == read


@pytest.mark.corpus
def test_every_tree_of_a_real_project_is_reached_or_refused_in_words(corpus: Path) -> None:
    found = [p.parents[1] for p in corpus.rglob("nginx/nginx.conf")]
    roots = [root for root in found if (root / "docker-compose.yml").is_file()]
    assert len(roots) >= 8
    for root in roots:
        layout = read_layout(Found(root, root), lambda _: None)
        assert layout.folder == root / "nginx/conf.d"
        text = render(blocks_of(layout.servers), Wanted())
        for server in layout.servers:
            names = [p.written for p in server.inside if p.directive.name == "server_name"]
            assert all(name.split()[1].rstrip(";") in text for name in names)


def test_nself_maintenance_is_answered_by_our_program(project: Project, tmp_path: Path) -> None:
    import sys

    program = tmp_path / "nself"
    text = f"#!{sys.executable}\nimport sys\nfrom nself_tasks.cli import main\nsys.exit(main())\n"
    program.write_text(text)
    program.chmod(0o755)
    done = subprocess.run(
        [program, "maintenance", "status"], cwd=project.root, env={**os.environ},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, "has no service `nginx`" in done.stderr) == (1, True)
