"""An upgrade of files that is killed at any moment ends, with the next command, whole: v1 or v2."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from moments import Moments, Tree, command, moments, shop, whole_tree
from onlooker import Onlooker
from servers_for_tests import Result

from nself_tasks import settings
from nself_tasks.intent import read_intent
from nself_tasks.project import find_project

RUN = ("run", "--files-only")
BACK = ("rollback", "--files")
BOTH = (RUN, BACK)
VERSIONS = ("1", "2")
APPLIED = [(version, "applied") for version in VERSIONS]
INTENT = ".nself/migrate/intent.json"
COPIES = (".nself/backup/", ".nself/migrate/staged/")
"""Where a command only writes copies, before the first file of the project or after the last."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="moments are read from /proc"),
]


@dataclass(frozen=True)
class Killed:
    """A project as a killed command has left it, and what that was about to do."""

    root: Path
    moment: str

    @property
    def is_unfinished(self) -> bool:
        """Whether it says of itself that it stands between v1 and v2."""
        return (self.root / INTENT).exists()

    @property
    def has_backup(self) -> bool:
        """Whether its files have been copied."""
        return any(self.root.glob(".nself/backup/[0-9]*/manifest.json"))

    def copy(self, folder: Path) -> Path:
        """The same project once more, for one second command."""
        shutil.rmtree(folder, ignore_errors=True)
        return Path(shutil.copytree(self.root, folder / "shop", symlinks=True))


@pytest.fixture(scope="module")
def means(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moments]:
    folder = tmp_path_factory.mktemp("means")
    with moments(folder, {"HOME": str(folder)}) as found:
        yield found


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A v1 project that nobody has touched."""
    return shop(tmp_path_factory.mktemp("before") / "shop")


@pytest.fixture(scope="module")
def after(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same project after an upgrade that nobody disturbed."""
    root = shop(tmp_path_factory.mktemp("after") / "shop")
    done = command(root, *RUN)
    assert done.code == 0, done.err
    return root


@pytest.fixture(scope="module")
def v1(before: Path) -> Tree:
    return whole_tree(before)


@pytest.fixture(scope="module")
def v2(after: Path) -> Tree:
    return whole_tree(after)


Kill = Callable[..., list[Killed]]


@pytest.fixture(scope="module")
def killed_everywhere(means: Moments, tmp_path_factory: pytest.TempPathFactory) -> Kill:
    """Kill a command before every change that it makes, each time in a new copy of a project."""

    def kill(start: Path, *arguments: str, at: Callable[[str], bool] = bool) -> list[Killed]:
        folder = tmp_path_factory.mktemp("killed")
        unharmed = Killed(start, "")
        moments = means.of(unharmed.copy(folder / "all"), *arguments)

        def killed(number: int) -> Killed:
            root = unharmed.copy(folder / str(number))
            return Killed(root, means.stopped(number, root, *arguments).killed())

        numbers = [number for number, moment in enumerate(moments, 1) if at(moment)]
        with ThreadPoolExecutor(2) as two_at_once:
            return list(two_at_once.map(killed, numbers))

    return kill


@pytest.fixture(scope="module")
def killed_runs(killed_everywhere: Kill, before: Path) -> list[Killed]:
    """The project after a run that was killed, once for each of its moments."""
    return killed_everywhere(before, *RUN)


def in_the_project(moment: str) -> bool:
    """Whether the moment is one of those around and between the files of the project."""
    return not any(copies in moment for copies in COPIES) and "journal" not in moment


def halfway(killed: Iterable[Killed]) -> Killed:
    """The one in the middle of those in which some files are of v1 and some of v2."""
    between = [each for each in killed if each.is_unfinished]
    return between[len(between) // 2]


def strict(root: Path) -> Result:
    return command(root, "detect", "--strict")


def stray(root: Path) -> list[str]:
    """Drafts and copies that nobody needs any more."""
    found = [*root.rglob(".nself-*"), *root.glob(".nself/migrate/staged")]
    return [str(p.relative_to(root)) for p in found if p.name != ".nself-migrate.yaml"]


def check_whole(root: Path, goal: tuple[str, ...], v1: Tree, v2: Tree, moment: str) -> None:
    """The second command ends with 0 and leaves one whole project, which `detect` knows."""
    done = command(root, *goal)
    assert done.code == 0, f"{moment}\n{done.out}\n{done.err}"
    assert whole_tree(root) == (v2 if goal == RUN else v1), moment
    assert not (root / INTENT).exists(), moment
    assert strict(root).code == (0 if goal == RUN else 3), moment


# --- a run that is killed ---


def test_a_run_is_killed_before_each_single_change_of_the_project(
    killed_runs: list[Killed], v1: Tree, v2: Tree
) -> None:
    changes = {killed.moment.split()[-1] for killed in killed_runs}
    real = {name: tree[name] for tree in (v1, v2) for name in tree}
    changed = {name for name in real if v1.get(name) != v2.get(name)}
    assert changed <= changes
    assert {INTENT, ".nself/migrate/state.json"} <= changes
    # Before each file, and after each one: its journal line is the next thing to be written.
    trees = [whole_tree(killed.root) for killed in killed_runs]
    assert sum(a != b for a, b in pairwise(trees)) == len(changed)


def test_a_file_of_the_project_is_never_opened_for_writing(killed_runs: list[Killed]) -> None:
    # A kill between its opening and its last byte would tear it: it is replaced as a whole.
    opened = [k.moment.split()[1] for k in killed_runs if k.moment.startswith("open ")]
    assert opened
    assert [path for path in opened if not path.startswith(".nself/")] == []


def test_after_a_kill_detect_calls_nothing_clean_but_the_whole_v2(
    killed_runs: list[Killed], v1: Tree, v2: Tree
) -> None:
    for killed in killed_runs:
        tree, said = whole_tree(killed.root), strict(killed.root)
        clean = tree == v2 and not killed.is_unfinished
        assert said.code == (0 if clean else 3), killed.moment
        assert killed.is_unfinished or tree in (v1, v2), killed.moment
        assert (INTENT in said.out) == killed.is_unfinished, killed.moment
        if killed.is_unfinished:
            assert "`nself migrate run` finishes it" in said.out
            assert "`nself migrate rollback --files` puts the files back" in said.out


def test_a_second_run_ends_in_the_whole_v2(
    killed_runs: list[Killed], v1: Tree, v2: Tree, tmp_path: Path
) -> None:
    for killed in killed_runs:
        was_done = not killed.is_unfinished and whole_tree(killed.root) == v2
        root = killed.copy(tmp_path)
        check_whole(root, RUN, v1, v2, killed.moment)
        assert was_done or stray(root) == [], killed.moment


def test_a_rollback_ends_in_the_whole_v1_or_refuses_where_nothing_had_begun(
    killed_runs: list[Killed], v1: Tree, v2: Tree, tmp_path: Path
) -> None:
    for killed in killed_runs:
        root = killed.copy(tmp_path)
        if killed.has_backup:
            check_whole(root, BACK, v1, v2, killed.moment)
            continue
        refused = command(root, *BACK)
        assert refused.code == 1
        assert "no upgrade of this project's files has a backup" in refused.err
        assert "nothing was changed" in refused.err
        assert whole_tree(root) == v1, killed.moment


def test_while_an_upgrade_is_unfinished_the_env_files_say_what_they_said_before(
    killed_runs: list[Killed], before: Path, after: Path
) -> None:
    def said(root: Path, environment: str) -> dict[str, str]:
        options = {"project": str(root), "env": environment}
        return dict(settings.load(options, {}, root).cascade.values)

    for killed in killed_runs:
        is_v2 = not killed.is_unfinished and whole_tree(killed.root) == whole_tree(after)
        same_as = after if is_v2 else before
        for environment in ("dev", "staging", "prod"):
            assert said(killed.root, environment) == said(same_as, environment), killed.moment


def test_what_works_on_the_database_alone_leaves_an_unfinished_upgrade_as_it_is(
    killed_runs: list[Killed], v1: Tree, v2: Tree, tmp_path: Path
) -> None:
    killed = halfway(killed_runs)
    root = killed.copy(tmp_path)
    assert command(root, "run", "--schema-only").code == 0
    assert whole_tree(root) == whole_tree(killed.root)
    assert command(root, "generate", "add orders", "--no-ai").code == 0
    assert strict(root).code == 3
    shutil.rmtree(root / "backend")
    check_whole(root, RUN, v1, v2, killed.moment)


# --- a second command that is killed, too ---


@pytest.mark.parametrize("second", BOTH, ids=" ".join)
def test_a_second_command_that_is_killed_is_healed_by_a_third(
    second: tuple[str, ...],
    killed_runs: list[Killed],
    killed_everywhere: Kill,
    v1: Tree,
    v2: Tree,
    tmp_path: Path,
) -> None:
    start = halfway(killed_runs).copy(tmp_path / "start")
    for killed in killed_everywhere(start, *second, at=in_the_project):
        tree = whole_tree(killed.root)
        assert killed.is_unfinished or tree == (v2 if second == RUN else v1), killed.moment
        for third in BOTH:
            if killed.is_unfinished or third == second:
                check_whole(killed.copy(tmp_path / "third"), third, v1, v2, killed.moment)


def test_a_killed_rollback_of_a_finished_upgrade_is_healed_by_a_third(
    after: Path, killed_everywhere: Kill, v1: Tree, v2: Tree, tmp_path: Path
) -> None:
    for killed in killed_everywhere(after, *BACK, at=in_the_project):
        tree = whole_tree(killed.root)
        assert killed.is_unfinished or tree in (v1, v2), killed.moment
        clean = tree == v2 and not killed.is_unfinished
        assert strict(killed.root).code == (0 if clean else 3), killed.moment
        for third in BOTH:
            check_whole(killed.copy(tmp_path / "third"), third, v1, v2, killed.moment)


# --- a run that migrates the database as well ---


@pytest.mark.parametrize(
    "about_to",
    [
        r"rename .*/staged/docker-compose\.yml$",
        r"rename .* \.nself/backup/\d{8}-\d{6}$",
        r"rename .*/intent\.json$",
        r"rename .* docker-compose\.yml$",
        r"remove .*/intent\.json$",
    ],
)
def test_a_run_with_migrations_that_is_killed_is_finished_by_the_next(
    about_to: str, means: Moments, database: str, v1: Tree, v2: Tree, tmp_path: Path
) -> None:
    root, run = shop(tmp_path / "shop"), ("run", "--database-url", database)
    migrations = root / "backend/migrations"
    migrations.mkdir(parents=True)
    for version in VERSIONS:
        (migrations / f"{version}_a.sql").write_text(f"CREATE TABLE t{version} (i int);")
    sql = {name: file for name, file in whole_tree(root).items() if name.startswith("backend")}
    means.stopped(about_to, root, *run).killed()
    assert strict(root).code == 3
    history = Onlooker(database).history()
    assert history == ([] if "staged" in about_to or "backup" in about_to else APPLIED)
    second = command(root, *run)
    assert second.code == 0, second.err
    assert whole_tree(root) == v2 | sql
    assert (strict(root).code, Onlooker(database).history()) == (0, APPLIED)
    assert command(root, *BACK).code == 0
    assert whole_tree(root) == v1 | sql
    assert Onlooker(database).history() == APPLIED


# --- signals ---


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["SIGTERM", "Ctrl-C"]
)
@pytest.mark.parametrize(
    "about_to",
    [
        r"rename .*/staged/\.env$",
        r"rename .* \.nself/backup/\d{8}-\d{6}$",
        r"rename .*/intent\.json$",
        r"rename .* docker-compose\.yml$",
        r"remove nginx/conf\.d/hasura\.conf$",
        r"remove .*/intent\.json$",
    ],
)
def test_a_signal_ends_a_run_with_its_own_code_and_a_true_sentence(
    about_to: str,
    number: signal.Signals,
    code: int,
    means: Moments,
    before: Path,
    v1: Tree,
    v2: Tree,
    tmp_path: Path,
) -> None:
    root = Killed(before, "").copy(tmp_path / "told")
    ended, out, err = means.stopped(about_to, root, *RUN).told(number)
    assert ended == code, out + err
    check_true(root, out + err, v1, v2)
    for second in BOTH:
        told = Killed(root, about_to)
        if second == RUN or told.has_backup:
            check_whole(told.copy(tmp_path / "second"), second, v1, v2, about_to)


def check_true(root: Path, said: str, v1: Tree, v2: Tree) -> None:
    """What a stopped run says of the files is so."""
    tree = whole_tree(root)
    intent = read_intent(find_project(root, root))
    if intent is None:
        assert tree in (v1, v2)
        none, every = (
            "No file of the project was changed",
            "All 8 files of the project are upgraded",
        )
        assert (every if tree == v2 else none) in said
        return
    paths = {
        e.path: "shared/nginx.conf" if "nginx.conf" in e.path else e.path for e in intent.entries
    }
    done = sum(tree.get(real) == v2.get(real) for real in paths.values())
    assert f"{done} of {len(paths)} files of the project are upgraded" in said
    assert "`nself migrate rollback --files` puts them back" in said


def test_a_signal_ends_a_rollback_with_its_own_code_and_a_true_sentence(
    means: Moments, after: Path, v1: Tree, v2: Tree, tmp_path: Path
) -> None:
    root = Killed(after, "").copy(tmp_path / "told")
    about_to = r"rename .* docker-compose\.yml$"
    ended, out, err = means.stopped(about_to, root, *BACK).told(signal.SIGTERM)
    assert ended == 143
    tree = whole_tree(root)
    left = sum(tree.get(n) != v1.get(n) for n in tree.keys() | v1.keys() if _is_file(n, tree, v1))
    assert f"{8 - left} of 8 files are as they were, {left} are not" in out + err
    for second in BOTH:
        check_whole(Killed(root, "").copy(tmp_path / "second"), second, v1, v2, "SIGTERM")


def _is_file(name: str, *trees: Tree) -> bool:
    return any(name in tree and tree[name][1] is not None for tree in trees)


# --- what else can have become of the records ---


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b'{"run_id": "a", "era": "v1", "entr', id="torn"),
        pytest.param(b"null", id="null"),
        pytest.param(b"[]", id="list"),
        pytest.param(b'{"entries": 3}', id="other-fields"),
        pytest.param(b'{"entries": [{"path": "a"}]}', id="half-an-entry"),
        pytest.param(b"\xff\x00\xfe" * 9, id="no-text"),
    ],
)
def test_an_unreadable_record_stops_a_run_in_words_and_a_rollback_heals(
    text: bytes, killed_runs: list[Killed], v1: Tree, v2: Tree, tmp_path: Path
) -> None:
    killed = halfway(killed_runs)
    root = killed.copy(tmp_path)
    (root / INTENT).write_bytes(text)
    refused = command(root, *RUN)
    assert refused.code == 1
    assert INTENT in refused.err
    assert "`nself migrate rollback --files`" in refused.err
    assert whole_tree(root) == whole_tree(killed.root)
    found = strict(root)
    assert (found.code, "its record cannot be read" in found.out) == (3, True)
    check_whole(root, BACK, v1, v2, "unreadable")
    check_whole(root, RUN, v1, v2, "unreadable")


@pytest.mark.parametrize("lost", ["staged", "staged/docker-compose.yml"])
def test_without_what_was_staged_a_run_refuses_before_the_first_file_and_a_rollback_heals(
    lost: str, killed_runs: list[Killed], v1: Tree, v2: Tree, tmp_path: Path
) -> None:
    killed = next(k for k in killed_runs if k.is_unfinished)
    root = killed.copy(tmp_path)
    path = root / ".nself/migrate" / lost
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    for dry in ((), ("--dry-run",)):
        refused = command(root, *RUN, *dry)
        assert refused.code == 1
        assert "docker-compose.yml" in refused.err
        assert "`nself migrate rollback --files`" in refused.err
    assert whole_tree(root) == whole_tree(killed.root)
    check_whole(root, BACK, v1, v2, "staged is lost")
    check_whole(root, RUN, v1, v2, "staged is lost")


def test_a_file_that_somebody_changed_after_the_kill_is_overwritten_by_neither(
    killed_runs: list[Killed], tmp_path: Path
) -> None:
    killed = halfway(killed_runs)
    for goal in BOTH:
        root = killed.copy(tmp_path)
        (root / ".env.prod").write_text("MINE=1\n")
        tree = whole_tree(root)
        refused = command(root, *goal)
        assert (refused.code, ".env.prod" in refused.err) == (1, True)
        assert whole_tree(root) == tree


def test_an_older_backup_is_not_put_back_over_an_unfinished_upgrade(
    killed_runs: list[Killed], tmp_path: Path
) -> None:
    killed = halfway(killed_runs)
    root = killed.copy(tmp_path)
    [newest] = root.glob(".nself/backup/[0-9]*")
    older = shutil.copytree(newest, newest.with_name("20200101-000000"))
    manifest = json.loads((older / "manifest.json").read_text()) | {"timestamp": older.name}
    (older / "manifest.json").write_text(json.dumps(manifest))
    refused = command(root, *BACK, "--backup", older.name)
    assert (refused.code, newest.name in refused.err) == (1, True)
    assert whole_tree(root) == whole_tree(killed.root)
    assert command(root, *BACK, "--backup", newest.name).code == 0


# --- what a killed run leaves in our own folders ---


def test_the_half_made_backup_of_a_dead_process_goes_with_the_next_backup(
    killed_runs: list[Killed], v1: Tree, v2: Tree, tmp_path: Path
) -> None:
    killed = next(k for k in killed_runs if re.search(r"rename .*/manifest\.json$", k.moment))
    root = killed.copy(tmp_path)
    assert len(list(root.glob(".nself/backup/.unfinished-*"))) == 1
    living = root / f".nself/backup/.unfinished-20260101-000000-{os.getpid()}"
    living.mkdir()
    check_whole(root, RUN, v1, v2, killed.moment)
    assert list(root.glob(".nself/backup/.unfinished-*")) == [living]


def test_a_folder_of_ours_without_its_star_gets_it_before_anything_is_put_there(
    killed_runs: list[Killed], tmp_path: Path
) -> None:
    killed = next(k for k in killed_runs if k.moment.endswith("/.dockerignore"))
    root = killed.copy(tmp_path)
    ignore = root / ".nself/migrate/.gitignore"
    ignore.write_bytes(b"")
    assert command(root, *RUN).code == 0
    assert ignore.read_bytes() == b"*\n"
