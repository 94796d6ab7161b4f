"""Which of nginx's files are v1's, what they become, and which are left as they are."""

from __future__ import annotations

from pathlib import PurePosixPath

import nginx_projects as projects
import pytest
from trees_for_tests import evidence, found, kind, upgrade

from nself_tasks.artifacts.finding import Evidence, Finding

NGINX = [kind("nginx")]
ALL = [kind("compose"), kind("nginx"), kind("leftovers")]
SITE = "nginx/sites/custom-shop.conf"
HASURA = "nginx/sites/hasura.conf"
RATES = "nginx/includes/rate-limits.conf"


def late(path: str = "", text: str | None = "", *names: str) -> Evidence:
    """A project of 0.9.9 with another text of one file, or without it."""
    texts = projects.late()
    if path and text is not None:
        texts[path] = text
    elif path:
        del texts[path]
    return evidence(texts, *names)


def rules(project: Evidence, path: str) -> list[str]:
    return [f.rule for f in found(project, NGINX) if f.path == PurePosixPath(path)]


def status(project: Evidence, path: str) -> set[str]:
    return {f.status for f in found(project, NGINX) if f.path == PurePosixPath(path)}


# --- must change ---


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        (SITE, "nginx-header"),
        (SITE, "nginx-certificates"),
        (SITE, "nginx-proxy"),
        (HASURA, "nginx-connection"),
        (RATES, "nginx-rates"),
        (RATES, "nginx-zones"),
        ("nginx/nginx.conf", "nginx-resolver"),
        ("nginx/conf.d/default.conf", "nginx-certificates"),
    ],
)
def test_a_file_of_0_9_9_is_found_by_what_it_has(path: str, rule: str) -> None:
    assert rule in rules(late(), path)


def test_a_literal_address_becomes_one_that_is_looked_up_for_every_request() -> None:
    after = upgrade(late(), ALL).text(SITE) or ""
    assert "        set $up_up_shop http://shop:8001;\n        proxy_pass $up_up_shop;\n" in after


def test_the_first_note_of_a_file_says_all_that_changes_in_it() -> None:
    [first, *_] = [f for f in found(late(), NGINX) if str(f.path) == HASURA]
    assert first.message == "v1 format (static addresses, WebSocket header, certificate paths)"


def test_a_path_that_is_the_locations_own_is_left_out() -> None:
    text = projects.site("custom-shop", "shop:8001").replace(
        "location / {", "location /health { proxy_pass http://shop:8001/health; }\n    location / {"
    )
    after = upgrade(late(SITE, text), ALL).text(SITE) or ""
    wanted = "location /health { set $up_up_shop http://shop:8001; proxy_pass $up_up_shop; }"
    assert wanted in after


def test_the_files_of_0_1_move_to_sites_and_nginx_conf_does_not() -> None:
    after = upgrade(evidence(projects.early()), ALL)
    names = {str(path) for path in after.files if path.parts[0] == "nginx"}
    assert names == {
        "nginx/nginx.conf",
        "nginx/includes/rate-limits.conf",
        "nginx/sites/auth.conf",
        "nginx/sites/hasura.conf",
        "nginx/sites/mailpit.conf",
    }
    assert "upstream" not in (after.text("nginx/sites/hasura.conf") or "")
    assert "http://mailpit:8025;" in (after.text("nginx/sites/mailpit.conf") or "")


def test_a_generated_file_beside_nginx_conf_moves_to_sites() -> None:
    texts = projects.late()
    texts["nginx/hasura.conf"] = texts.pop(HASURA)
    del texts[SITE]
    before = evidence(texts)
    assert "flat-nginx" in rules(before, "nginx")
    after = upgrade(before, ALL)
    assert after.text("nginx/hasura.conf") is None
    assert "$up_up_hasura" in (after.text(HASURA) or "")


def test_the_certificates_of_0_1_move_with_their_mount() -> None:
    before = evidence(projects.early(), "nginx/ssl/nself.org.crt", "nginx/ssl/nself.org.key")
    after = upgrade(before, ALL)
    places = {str(path) for path in after.files if "ssl" in path.parts}
    assert places == {
        "ssl/certificates/nself-org/fullchain.pem",
        "ssl/certificates/nself-org/privkey.pem",
    }
    line = "ssl_certificate_key /etc/nginx/ssl/certificates/nself-org/privkey.pem;"
    assert line in (after.text("nginx/sites/hasura.conf") or "")
    assert "./ssl:/etc/nginx/ssl:ro" in (after.text("docker-compose.yml") or "")


def test_a_private_key_is_moved_without_being_read() -> None:
    before = evidence(projects.early(), "nginx/ssl/nself.org.key")
    [finding] = [f for f in found(before, NGINX) if f.rule == "nginx-certificate-file"]
    assert [change.edits for change in finding.changes] == [(), ()]
    assert finding.changes[0].moved_from == PurePosixPath("nginx/ssl/nself.org.key")


def test_zones_of_the_main_file_go_into_a_file_of_their_own() -> None:
    texts = projects.late({"nginx/nginx.conf": projects.HTTP.replace("ZONES", projects.INLINE)})
    del texts[RATES]
    after = upgrade(evidence(texts), ALL)
    assert "limit_req_zone" not in (after.text("nginx/nginx.conf") or "")
    assert "zone=auth_strict:10m rate=5r/s;" in (after.text(RATES) or "")
    assert (after.text(RATES) or "").count("zone=general:") == 1


def test_a_frontend_without_a_route_gets_its_own_name() -> None:
    path = "nginx/sites/frontend-web.conf"
    text = projects.site("frontend-web", "host.docker.internal:3000", host="/.localhost")
    assert "server_name web.localhost;" in (upgrade(late(path, text), ALL).text(path) or "")


def test_what_a_person_added_to_a_generated_file_survives() -> None:
    text = projects.site("custom-shop", "shop:8001", "        auth_basic 'us';  # mine\n")
    assert "        auth_basic 'us';  # mine\n" in (upgrade(late(SITE, text), ALL).text(SITE) or "")


def test_a_v2_header_over_a_v1_site_is_not_believed() -> None:
    header = "# Generated by nself build - DO NOT EDIT MANUALLY\n"
    before = late(SITE, header + projects.site("custom-shop", "shop:8001"))
    assert {"nginx-proxy", "nginx-certificates"} <= set(rules(before, SITE))
    assert (upgrade(before, ALL).text(SITE) or "").count("Generated by") == 1


# --- must not change ---

MINE = {
    "another name": ("nginx/sites/claw.conf", projects.site("hasura", "hasura:8080")),
    "another first line": (HASURA, "# ours\n" + projects.site("grafana", "hasura:8080")),
    "a target outside of the project": (SITE, projects.site("custom-shop", "shop.example.org:80")),
    "no target at all": (SITE, "# Custom Service: shop\nserver { return 404; }\n"),
    "a pool": (
        "nginx/conf.d/auth.conf",
        projects.early_site("auth", "auth:4000").replace("}", "server auth:4001; }", 1),
    ),
    "a map beside it": (SITE, projects.site("custom-shop", "shop:1") + "map $a $b { c d; }\n"),
    "a folder that is nobody's": ("nginx/conf.d/claw.conf", projects.BY_HAND),
}


@pytest.mark.parametrize("name", MINE)
def test_what_is_written_by_hand_is_kept(name: str) -> None:
    path, text = MINE[name]
    before = late(path, text)
    assert status(before, path) == {"keep"}
    assert upgrade(before, ALL).text(path) == text


def test_a_hand_written_certificate_path_keeps_the_mount_and_all_paths() -> None:
    mine = projects.site("grafana", "127.0.0.1:3000")
    before = late("nginx/sites/mine.conf", mine)
    after = upgrade(before, ALL)
    assert after.text("nginx/sites/mine.conf") == mine
    assert "./ssl/certificates:/etc/nginx/ssl:ro" in (after.text("docker-compose.yml") or "")
    assert "/etc/nginx/ssl/localhost/privkey.pem" in (after.text(SITE) or "")
    [row] = [f for f in found(before, NGINX) if str(f.path) == "nginx/sites/mine.conf"]
    assert "stay mounted" in row.action


@pytest.mark.parametrize(
    "text",
    [
        "proxy_pass http://shop:8001/other/;",
        "rewrite ^/a/(.*) /$1 break;\n        proxy_pass http://shop:8001;",
        "proxy_redirect default;\n        proxy_pass http://shop:8001;",
        "if ($arg_a) { proxy_pass http://shop:8001; }",
    ],
)
def test_an_address_that_means_more_with_it_is_for_a_person(text: str) -> None:
    site = projects.site("custom-shop", "x").replace("proxy_pass http://x;", text)
    before = late(SITE, site)
    [row] = [f for f in found(before, NGINX) if f.rule == "nginx-static"]
    assert (row.status, str(row.path)) == ("manual", SITE)
    assert text in (upgrade(before, ALL).text(SITE) or "")


@pytest.mark.parametrize("path", ["/y/$1", "/$uri$is_args$args", "/y/${request_uri}"])
def test_a_path_with_a_variable_stays_as_it_is_written(path: str) -> None:
    line = f"proxy_pass http://shop:8001{path};"
    site = projects.site("custom-shop", "x").replace("location /", "location ~ ^/x/(.*)$")
    text = upgrade(late(SITE, site.replace("proxy_pass http://x;", line)), ALL).text(SITE) or ""
    expected = f"set $up_up_shop http://shop:8001;\n        proxy_pass $up_up_shop{path};\n"
    assert f"location ~ ^/x/(.*)$ {{\n        {expected}" in text


def test_the_variable_is_set_before_a_rewrite_that_would_skip_it() -> None:
    rewrite = "rewrite ^/a/(.*) /b break;\n        proxy_pass 'http://shop:8001/y/$1';"
    site = projects.site("custom-shop", "x").replace("proxy_pass http://x;", rewrite)
    before = late(SITE, site)
    text = upgrade(before, ALL).text(SITE) or ""
    assert "nginx-static" not in rules(before, SITE)
    changed = rewrite.replace("http://shop:8001", "$up_up_shop")
    assert f"{{\n        set $up_up_shop http://shop:8001;\n        {changed}" in text


@pytest.mark.parametrize("path", ["/", "/graphql/"])
def test_an_upstream_that_a_line_which_stays_uses_stays_too(path: str) -> None:
    site = projects.early_site("hasura", "hasura:8080").replace("location / ", "location /api/ ")
    site = site.replace("proxy_pass http://hasura;", f"proxy_pass http://hasura{path};")
    before = evidence({**projects.early(), "nginx/conf.d/hasura.conf": site})
    text = upgrade(before, ALL).text("nginx/sites/hasura.conf") or ""
    assert f"proxy_pass http://hasura{path};" in text
    assert "upstream hasura {\n    server hasura:8080;\n}\n" in text


def test_a_host_in_etc_hosts_is_not_looked_up_by_name_server() -> None:
    path = "nginx/sites/frontend-web.conf"
    text = projects.site("frontend-web", "host.docker.internal:3000")
    texts = projects.late({path: text, "docker-compose.yml": projects.compose("shop", hosts=True)})
    after = upgrade(evidence(texts), ALL)
    assert "proxy_pass http://host.docker.internal:3000;" in (after.text(path) or "")
    assert not any(f.is_v1 for f in found(after, NGINX))


def test_an_upstream_that_a_hand_written_file_uses_stays() -> None:
    mine = "server { listen 81; location / { proxy_pass http://hasura; } }\n"
    before = evidence({**projects.early(), "nginx/conf.d/mine.conf": mine})
    after = upgrade(before, ALL)
    assert after.text("nginx/conf.d/mine.conf") == mine
    assert "upstream hasura {" in (after.text("nginx/sites/hasura.conf") or "")


def test_a_hand_written_main_file_stays_and_the_sites_do_without_it() -> None:
    main = "events {}\nhttp { server { listen 80; } include /etc/nginx/sites/*.conf; }\n"
    before = late("nginx/nginx.conf", main)
    after = upgrade(before, ALL)
    assert after.text("nginx/nginx.conf") == main
    assert "resolver 127.0.0.11 valid=10s;" in (after.text(SITE) or "")
    assert "Connection 'upgrade';" in (after.text(HASURA) or "")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("zone=auth:10m rate=60r/m", "zone=auth:10m rate=60r/m"),
        ("zone=general:10m rate=10r/s", "zone=general:10m rate=2r/s"),
        ("zone=mine:10m rate=1r/s", "zone=mine:10m rate=1r/s"),
    ],
)
def test_only_v1s_own_rates_are_changed(before: str, after: str) -> None:
    name = before.partition(":")[0]
    text = "".join(line for line in projects.RATES.splitlines(True) if f"{name}:" not in line)
    text += f"limit_req_zone $binary_remote_addr {before};\n"
    if name == "zone=mine":
        text = projects.RATES + f"limit_req_zone $binary_remote_addr {before};\n"
    assert after in (upgrade(late(RATES, text), ALL).text(RATES) or "")


def test_the_rate_of_a_zone_that_a_hand_written_file_uses_stays() -> None:
    mine = "server { listen 81; limit_req zone=general; }\n"
    after = upgrade(late("nginx/conf.d/mine.conf", mine), ALL)
    assert "zone=general:10m rate=10r/s;" in (after.text(RATES) or "")
    assert "zone=auth:10m rate=30r/m;" in (after.text(RATES) or "")


def test_a_rate_that_was_set_after_the_upgrade_is_not_touched_again() -> None:
    after = upgrade(late(), ALL)
    texts = {str(path): text for path, text in after.texts.items()}
    texts[RATES] = texts[RATES].replace("rate=2r/s", "rate=10r/s")
    assert rules(evidence(texts), RATES) == ["nginx-v2"]


@pytest.mark.parametrize(
    "compose",
    [
        None,
        "services:\n  shop:\n    image: shop\n",
        "# NSELF-FIRST EXCEPTION: ours\n" + projects.compose("shop"),
        "a: [\n",
    ],
)
def test_the_files_of_a_project_that_is_not_nselfs_are_not_looked_at(compose: str | None) -> None:
    assert found(late("docker-compose.yml", compose), NGINX) == []


def test_nothing_changes_while_the_compose_file_is_for_a_person() -> None:
    compose = projects.compose("shop").replace("# Project: shop\n", "")
    before = late("docker-compose.yml", compose)
    [row] = [f for f in found(before, NGINX) if f.is_v1]
    assert (row.rule, row.status) == ("nginx-waits", "manual")
    assert upgrade(before, NGINX) == before


def test_an_unreadable_file_is_named_with_its_line_and_the_rest_goes_on() -> None:
    before = late(HASURA, "server {\n  listen 80;\n  location / {\n")
    [row] = [f for f in found(before, NGINX) if str(f.path) == HASURA]
    assert (row.status, row.line) == ("manual", 3)
    assert "cannot be read" in row.message
    assert "$up_up_shop" in (upgrade(before, ALL).text(SITE) or "")


@pytest.mark.parametrize("folder", [False, True])
def test_a_folder_without_sites_in_which_nothing_is_generated_is_kept(folder: bool) -> None:
    texts = {p: t for p, t in projects.late().items() if "/sites/" not in p and "conf.d" not in p}
    before = evidence(texts, *(["nginx/sites/README"] if folder else []))
    rows = [f.status for f in found(before, NGINX) if f.rule == "flat-nginx"]
    assert rows == ([] if folder else ["keep"])


def test_a_taken_place_in_sites_is_not_overwritten() -> None:
    texts = {**projects.early(), "nginx/sites/hasura.conf": projects.BY_HAND}
    after = upgrade(evidence(texts), ALL)
    assert after.text("nginx/sites/hasura.conf") == projects.BY_HAND
    assert "$up_up_hasura" in (after.text("nginx/conf.d/hasura.conf") or "")


def test_a_v2_project_has_nothing_to_change() -> None:
    after = upgrade(late(), ALL)
    rows: list[Finding] = found(after, NGINX)
    assert {row.status for row in rows} == {"ok"}
    assert upgrade(after, ALL) == after
