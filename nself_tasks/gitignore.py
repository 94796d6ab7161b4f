"""Which new files git would pick up: the patterns of the ignore files, read as git reads them.

git itself is not asked: a repository's own configuration can make it run programs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from nself_tasks.errors import InputError
from nself_tasks.project import read_small


def picked_up(root: Path, names: Iterable[str]) -> frozenset[str]:
    """Give those of the names in a folder that `git add -A` would stage; none outside of git.

    The ignore files of the folder and those above it count, and the repository's own
    `info/exclude`; a person's global ignore file does not, as others do not have it.
    """
    top = next((folder for folder in (root, *root.parents) if _is_repository(folder)), None)
    if top is None:
        return frozenset()
    above = root.relative_to(top).parts
    if any(_is_ignored(top, above[:depth], is_dir=True) for depth in range(1, len(above) + 1)):
        return frozenset()
    return frozenset(name for name in names if not _is_ignored(top, (*above, name), is_dir=False))


def _is_repository(folder: Path) -> bool:
    # A file in a worktree and in a submodule.
    return (folder / ".git").exists()


def _is_ignored(top: Path, parts: tuple[str, ...], *, is_dir: bool) -> bool:
    """Tell what the last pattern that fits says; the ignore files nearer to the file win."""
    ignored = False
    sources = [(top / ".git" / "info" / "exclude", 0)]
    sources += [(top.joinpath(*parts[:n], ".gitignore"), n) for n in range(len(parts))]
    for source, depth in sources:
        for pattern, negated, only_dirs in _patterns(source):
            if (is_dir or not only_dirs) and pattern.fullmatch("/".join(parts[depth:])):
                ignored = not negated
    return ignored


def _patterns(source: Path) -> Iterator[tuple[re.Pattern[str], bool, bool]]:
    try:
        text = read_small(source) or ""
    except InputError:
        return
    for line in text.removeprefix("\ufeff").split("\n"):
        pattern = re.sub(r"(?<!\\)[ ]+\Z", "", line.removesuffix("\r"))
        if not pattern or pattern.startswith("#"):
            continue
        negated = pattern.startswith("!")
        pattern = pattern.removeprefix("!")
        only_dirs = pattern.endswith("/")
        yield _compiled(pattern.removesuffix("/")), negated, only_dirs


_TOKENS = re.compile(
    r"(?P<folders>(?:(?<=/)|\A)\*\*/)|(?P<below>/\*\*\Z)|(?P<stars>\*+)|(?P<one>\?)"
    r"|(?P<set>\[[!^]?\]?(?:\\.|[^\]\\])*\])|\\(?P<escaped>.)|(?P<plain>.)",
    re.DOTALL,
)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Turn one pattern into an expression for the path below the ignore file's folder."""
    parts = [] if "/" in pattern else ["(?:.*/)?"]
    for token in _TOKENS.finditer(pattern.removeprefix("/")):
        match token.lastgroup:
            case "folders":
                parts.append("(?:.*/)?")
            case "below":
                parts.append("/.+")
            case "stars":
                parts.append("[^/]*")
            case "one":
                parts.append("[^/]")
            case "set":
                parts.append(_set(token[0][1:-1]))
            case _:
                parts.append(re.escape(token["escaped"] or token[0]))
    try:
        return re.compile("".join(parts), re.DOTALL)
    except re.error:
        # `[z-a]` fits nothing.
        return re.compile(r"(?!)")


def _set(inner: str) -> str:
    """Give `[a-z]`, `[!abc]` as an expression; a slash is in none of them."""
    negated = inner[0] in "!^"
    members = re.sub(r"([\[\]&~|^])", r"\\\1", inner[1:] if negated else inner)
    return f"(?!/)[{'^' if negated else ''}{members}]"
