"""What statements leave uncertain for those after them: who owns what, and what a name means.

    DO $$ … $$, GRANT … TO …, ALTER … OWNER TO …   nothing is sure any more
    CREATE TABLE shop.a (…)                        `a` is not what it was
    CREATE SCHEMA shop                             a name without its schema may lead elsewhere
    INSERT INTO a …                                the server knows whether that calls a function

Only what is sure may be refused, so whatever is not known here leaves nothing sure.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from nself_tasks.migrations.calls import called_function
from nself_tasks.migrations.reader import Reader, first_word, stored_parts
from nself_tasks.migrations.session_settings import changes
from nself_tasks.model import Statement

_CHANGES_NO_NAME = frozenset(
    "analyze cluster comment deallocate listen lock notify prepare security set reset show"  # noqa: SIM905
    " unlisten vacuum reindex refresh truncate grant revoke".split()
)
_READS_OR_WRITES = frozenset(
    "select with values table insert update delete merge copy".split()  # noqa: SIM905
)
_MAY_CALL = frozenset("analyze cluster refresh reindex truncate vacuum".split())  # noqa: SIM905
"""They run the functions of indexes, views or triggers."""

_UNKNOWN_KINDS = frozenset(
    "database event extension group owned role system user".split()  # noqa: SIM905
)
"""What is made, changed or dropped of these brings rights with it, or runs statements unseen."""
_CALLED = ("aggregate", "constraint", "function", "procedure", "rule", "trigger")

_LONGEST_READ = 100_000
"""Characters: a longer statement is data, and what it calls is not looked for."""


@dataclass(slots=True)
class Doubt:
    """What is not sure any more at one place of a run."""

    touched: set[str] = field(default_factory=set)
    """Names that something made, dropped, renamed or moved."""
    everything: bool = False
    path: bool = False
    """Whether a name without its schema may lead into another one."""
    dropped: bool = False
    """Whether more may be gone than what a DROP names."""
    structure: bool = False
    """Whether indexes or sequences may have come or gone without being named."""
    granted: bool = False
    """Whether a right on a thing was given."""
    temporary: bool = False
    """Whether there is a temporary table, which makes a view on it temporary, too."""
    functions: bool = False
    """Whether a function, a trigger or a rule was made."""
    data: bool = False
    """Whether data were read or written, by which triggers and functions of the database run."""

    def after(self, statement: Statement, *, in_transaction: bool) -> None:
        """Take in what a statement leaves uncertain."""
        text = statement.text
        first = first_word(text)
        if len(text) > _LONGEST_READ or 'u&"' in text.lower():
            self.everything = True
        elif first in ("create", "drop", "alter"):
            self._structure(text, first)
        elif first in _READS_OR_WRITES:
            self._data(statement, first, in_transaction=in_transaction)
        elif first not in _CHANGES_NO_NAME:
            self.everything = True
        elif first in ("grant", "revoke"):
            self._grant(Reader(text).rest())
        else:
            # Outside of a transaction SET LOCAL changes nothing, which a replay would not show.
            local = Reader(text, 2).words("set", "local")
            self.everything |= local and not in_transaction
            self._calls(first in _MAY_CALL)

    def _grant(self, words: list[str]) -> None:
        # A role that is granted brings what it owns; rights on a thing do not change its owner.
        kinds = {"schema", "schemas", "database", "all"}
        self.everything |= "on" not in words or bool(kinds & set(words))
        self.granted = True

    def _data(self, statement: Statement, first: str, *, in_transaction: bool) -> None:
        words = Reader(statement.text).rest()
        if "set_config" in words and not (in_transaction and _is_plain(words)):
            self.everything = True
        writes = first not in ("select", "values", "table")
        catalog = writes and any(word.startswith("pg_") for word in words)
        makes = first in ("select", "with", "table") and "into" in words
        program = first == "copy" and "program" in words
        self.everything |= catalog or makes or program or _calls(statement.text)
        self._calls(changes(statement) is None)

    def _calls(self, calls: bool) -> None:
        self.data |= calls
        self.everything |= calls and self.functions

    def _structure(self, text: str, first: str) -> None:
        words = Reader(text).rest()
        kind = _kind(words)
        self.everything |= kind in _UNKNOWN_KINDS or (first == "alter" and "owner" in words)
        self.touched |= _touched(words, first, kind)
        self.structure = True
        self.path |= kind == "schema" or (first == "alter" and "schema" in words)
        gone = "cascade" in words or (first == "drop" and kind in ("table", "foreign", "schema"))
        self.dropped |= gone
        self.path |= gone
        if first == "create":
            self.temporary |= bool({"temp", "temporary"} & set(words[:4]))
            self.functions |= kind in _CALLED
            self._calls(kind == "index" or ("as" in words and kind in ("table", "materialized")))
        elif first == "alter":
            self._calls(bool({"default", "using", "check", "validate", "generated"} & set(words)))


def _is_plain(words: list[str]) -> bool:
    """Whether a statement is `SELECT set_config('literal', …)` and calls it once."""
    start = 4 if words[1:3] == ["pg_catalog", "."] else 2
    head = words[start - 1 : start + 3]
    literal = len(head) == 4 and head[2].startswith("'")
    return (
        literal
        and (head[0], head[1], head[3]) == ("set_config", "(", ",")
        and words.count("set_config") == 1
    )


def _calls(text: str) -> bool:
    read = Reader(text)
    if read.words("insert", "into") or read.words("copy"):
        # The name before a list of columns is no function.
        return read.name() is None or called_function(read.rest()) is not None
    return called_function(read.rest()) is not None


def _kind(words: list[str]) -> str:
    skipped = ("or", "replace", "unlogged", "recursive", "trusted", "unique", "temp", "temporary")
    for word in words[1:]:
        if word not in (*skipped, "local", "global", "procedural"):
            return word
    return ""


def _touched(words: list[str], first: str, kind: str) -> set[str]:
    """Give every name in a CREATE, DROP or RENAME, or one that changes a schema."""
    if first == "alter" and not {"rename", "schema", "attach", "inherit"} & set(words):
        return set()
    if first == "create" and kind != "schema":
        # A function's body is one token; of a table its own name counts, and what it uses does not.
        words = words[: words.index("(")] if "(" in words else words
        words = words[: words.index("on")] if "on" in words else words
    return {parts[1] for word in words if (parts := stored_parts(word))}
