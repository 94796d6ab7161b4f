"""What holds for every tree: nothing is lost, and the second upgrade finds nothing."""

from __future__ import annotations

from collections import Counter
from pathlib import PurePosixPath

import nginx_projects as projects
from hypothesis import given, settings
from hypothesis import strategies as st
from trees_for_tests import evidence, found, kind, upgrade

from nself_tasks.artifacts.finding import Evidence
from nself_tasks.artifacts.nginx_files import ConfFile, conf_files, services_of, zone_name
from nself_tasks.errors import Problem
from nself_tasks.rewriting.edits import apply
from nself_tasks.rewriting.nginx_tokens import read, walk

NGINX = [kind("nginx")]
ALL = [kind("compose"), kind("nginx"), kind("leftovers")]
TARGETS = [
    "shop:8001",
    "hasura:8080",
    "shop",
    "shop:8001/health",
    "shop:8001/y/$1",
    "hasura$uri",
    "shop:8001/",
    "host.docker.internal:3000",
    "127.0.0.1:1",
    "shop.example.org",
    "$upstream",
]
EXTRAS = [
    "",
    "        proxy_set_header Connection 'upgrade';\n",
    '        proxy_set_header Connection "upgrade";  # as it was\n',
    "        limit_req zone=general burst=2;\n",
    "        rewrite ^/(.*) /$1 break;\n",
    "        # about `proxy_pass http://shop:1;`\n",
]
BY_HAND = [
    projects.BY_HAND,
    "server { listen 81; location / { proxy_pass http://hasura; } }\n",
    "limit_req_zone $uri zone=ai:1m rate=1r/s;\n",
    "resolver 9.9.9.9;\n",
    "map $http_upgrade $connection_upgrade { default a; }\n",
    "ssl_certificate /etc/nginx/ssl/mine/fullchain.pem;\n",
    "server {\n",
]


@st.composite
def trees(draw: st.DrawFn) -> Evidence:
    texts = projects.late() if draw(st.booleans()) else projects.early()
    for name in draw(st.lists(st.sampled_from(list(projects.TITLES)), unique=True, max_size=4)):
        folder = draw(st.sampled_from(["nginx/sites", "nginx/sites", "nginx", "nginx/conf.d"]))
        target, extra = draw(st.sampled_from(TARGETS)), draw(st.sampled_from(EXTRAS))
        host = draw(st.sampled_from(["", "/.localhost"]))
        texts[f"{folder}/{name}.conf"] = projects.site(name, target, extra, host=host)
    for name in draw(st.lists(st.sampled_from(["mine", "a", "zz"]), unique=True)):
        texts[f"nginx/conf.d/{name}.conf"] = draw(st.sampled_from(BY_HAND))
    if draw(st.booleans()) and "nginx/includes/rate-limits.conf" in texts:
        del texts["nginx/includes/rate-limits.conf"]
        main = texts["nginx/nginx.conf"]
        texts["nginx/nginx.conf"] = main.replace(projects.INCLUDED, projects.INLINE)
    start, end = draw(st.sampled_from(["", "\ufeff"])), draw(st.sampled_from(["\n", "\r\n"]))
    final = draw(st.booleans())
    for path, text in texts.items():
        if path.startswith("nginx/"):
            text = start + text.replace("\n", end)
            texts[path] = text if final else text.rstrip()
    files = draw(st.sampled_from([[], ["nginx/ssl/nself.org.crt", "nginx/ssl/nself.org.key"]]))
    return evidence(texts, *files)


def files_of(project: Evidence) -> dict[PurePosixPath, ConfFile]:
    services = services_of(project.text("docker-compose.yml"))
    return dict(conf_files(project, services | {"mailpit"}))


@given(trees())
def test_upgrading_twice_is_upgrading_once(project: Evidence) -> None:
    once = upgrade(project, ALL)
    assert upgrade(once, ALL) == once
    assert not any(finding.changes for finding in found(once, ALL))


@given(trees())
def test_after_it_nothing_is_left_to_migrate(project: Evidence) -> None:
    once = upgrade(project, ALL)
    assert not [f for f in found(once, ALL) if f.status == "migrate"]


@given(trees())
def test_what_is_written_by_hand_is_kept_byte_for_byte(project: Evidence) -> None:
    after = upgrade(project, ALL)
    for path, file in files_of(project).items():
        if file.origin == "hand":
            assert after.texts[path] == file.text


@given(trees())
def test_no_file_is_lost(project: Evidence) -> None:
    after = upgrade(project, ALL)
    moved = len([f for f in found(project, ALL) for c in f.changes if c.moved_away])
    gone = [path for path in project.files if path not in after.files]
    created = [path for path in after.files if path not in project.files]
    assert len(gone) == moved
    assert len(created) - ("rate-limits.conf" in {p.name for p in created}) <= moved
    assert PurePosixPath("nginx/nginx.conf") in after.files


@given(trees())
def test_what_is_written_is_readable_and_declares_every_zone_once(project: Evidence) -> None:
    after = upgrade(project, ALL)
    broken = {p for p, text in project.texts.items() if isinstance(read(text), Problem)}
    for path, text in after.texts.items():
        if path.parts[0] == "nginx" and path not in broken:
            assert not isinstance(read(text), Problem), path
    before, now = _zones(project), _zones(after)
    assert all(count <= max(before[name], 1) for name, count in now.items())
    assert set(before) <= set(now)


def _zones(project: Evidence) -> Counter[str | None]:
    directives = [d for file in files_of(project).values() for d, _ in file.all()]
    return Counter(zone_name(d) for d in directives if d.name == "limit_req_zone")


@given(trees())
def test_every_site_passes_requests_to_where_it_did(project: Evidence) -> None:
    """By file: the targets, upstreams and variables resolved, mailhog's new name aside."""
    after = upgrade(project, ALL)
    both = files_of(project), files_of(after)
    assert sorted(_targets(both[0])) == sorted(_targets(both[1]))


def _targets(files: dict[PurePosixPath, ConfFile]) -> list[str]:
    pools, found = {}, []
    for file in files.values():
        for directive, _ in file.all():
            if directive.name == "upstream" and directive.block:
                pools[directive.values()[0]] = directive.block[0].values()[0]
    for path, file in files.items():
        for directive, parent in file.all():
            if directive.name == "proxy_pass" and parent is not None:
                value = directive.values()[0]
                sets = {s.values()[0]: s.values()[1] for s in parent.block or () if s.name == "set"}
                for name, target in sets.items():
                    value = value.replace(name, target)
                address, slash, way = value.removeprefix("http://").partition("/")
                address = (pools.get(address, address) + slash + way).removesuffix("/")
                found.append(f"{path.stem} {address}".replace("mailhog", "mailpit"))
    return found


@given(trees())
def test_bom_line_ends_comments_and_the_final_newline_stay(project: Evidence) -> None:
    after = upgrade(project, ALL)
    for path, text in project.texts.items():
        new = after.texts.get(path)
        if path.parts[0] != "nginx" or new is None:
            continue
        assert new.startswith("\ufeff") == text.startswith("\ufeff")
        assert new.endswith("\n") == text.endswith("\n")
        assert new.count("\n") == new.count("\r\n") or "\r" not in text
        for line in text.splitlines():
            assert "# a" not in line or line.partition("#")[2] in new


@given(trees())
def test_bytes_outside_of_the_edits_are_unchanged(project: Evidence) -> None:
    after = upgrade(project, ALL)
    edits = [(c.path, e) for f in found(project, ALL) for c in f.changes for e in c.edits]
    for path, text in project.texts.items():
        mine = [edit for other, edit in edits if other == path]
        if path in after.texts:
            assert after.texts[path] == apply(text, mine)


@settings(max_examples=50)
@given(trees(), st.integers(0, 20), st.integers(0, 5_000), st.text(max_size=6))
def test_a_damaged_tree_is_upgraded_once_as_well(
    project: Evidence, which: int, at: int, junk: str
) -> None:
    texts = {str(path): text for path, text in project.texts.items()}
    names = [name for name in sorted(texts) if name.startswith("nginx/")]
    name = names[which % len(names)]
    place = at % (len(texts[name]) + 1)
    texts[name] = texts[name][:place] + junk + texts[name][place + len(junk) :]
    once = upgrade(evidence(texts), ALL)
    assert upgrade(once, ALL) == once
    assert not any(finding.changes for finding in found(once, ALL))


@given(st.dictionaries(st.sampled_from(["hasura", "auth", "x"]), st.text(), min_size=1))
def test_texts_of_another_project_are_unchanged(texts: dict[str, str]) -> None:
    project = evidence({f"nginx/sites/{name}.conf": text for name, text in texts.items()})
    assert found(project, NGINX) == []


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    tree = read(text)
    if not isinstance(tree, Problem):
        for directive, _ in walk(tree):
            assert text[directive.start : directive.end][-1] in ";}"
