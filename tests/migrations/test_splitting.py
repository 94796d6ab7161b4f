"""What is one statement, what is two, and what is none."""

from __future__ import annotations

import time

import pytest

from nself_tasks.errors import InputError
from nself_tasks.migrations.statements import scan, split

ONE = {
    "no semicolon at the end": "select 1",
    "a semicolon in a string": "select 'a;b';",
    "a doubled quote": "select 'it''s; fine';",
    "a backslash in a plain string is a character": r"select 'c:\', ';';",
    "a backslash in an E string escapes the quote": r"select E'it\'s; fine';",
    "an E string goes on in the next line": "select E'a' -- c\n 'b\\'; c';",
    "a unicode string": r"select U&'d\0061t;';",
    "a semicolon in a quoted name": 'create table "a;b" (id int);',
    "a doubled quote in a name": 'create table "a"";b" (id int);',
    "a dollar quote": "do $$ begin perform 1; end $$;",
    "a tagged dollar quote with another inside": "do $a$ select $$;$$; $b$ ; $a$;",
    "a dollar quote with a tag of letters from elsewhere": "do $größe$ ; $größe$;",
    "a dollar quote right after a number": "select 1$$;$$;",
    "nested comments": "select /* a /* ; */ ; */ 1;",
    "a line comment": "select 1 -- ; not here\n, 2;",
    "a comment that begins in an operator": "select 1 +-- ;\n 2;",
    "a block comment that begins in an operator": "select 1 +/* ; */ 2;",
    "a semicolon in parentheses": "create rule r as on insert to t do also (select 1; select 2);",
    "a body in BEGIN ATOMIC": "create function f() returns int begin atomic select 1; end;",
    "a CASE in such a body": (
        "create or replace procedure p() begin atomic "
        "select case 1 when 1 then 2 end; select 3; end;"
    ),
    "nested CASEs in such a body": (
        "create function f() returns int begin atomic "
        "select case case when true then 1 end when 1 then 2 end; select 3; end;"
    ),
    "a comment between the words before such a body": (
        "create /* x */ or -- y\n replace function f() returns int begin atomic select 1; end;"
    ),
    "a quoted end in such a body": (
        'create function f() returns int begin atomic select 1 as "end"; select 2; end;'
    ),
}

TWO = {
    "two plain ones": "select 1; select 2;",
    "a dollar in a name begins no quote": "select a$b$ from t; select $b$x$b$;",
    "a parameter begins no quote": "select $1; select $2;",
    "a dollar in a name after a number": "select 1a$$; select 2b$$;",
    "an E string with a word before it is plain": "select xe'\\'; select 2;",
    "an E after a number is no E string": "select 1e'\\'; select 2;",
    "BEGIN in another statement": "begin; select 1;",
    "a column called begin": "create table t (a int); create view begin as select 1;",
    "a parameter called begin": (
        "create function f(begin int default (1)) returns int return 1; select 2;"
    ),
    "CASE outside of a routine": "select case when true then 1 end; select 2;",
    "a closing parenthesis too many": "select 1); select 2;",
    "an END of a string body": "create function f() as 'begin; end' language sql; select 1;",
    "empty statements": ";; select 1;;; select 2; ;",
    "a comment ends at a carriage return": "select 1 -- c\r; select 2;",
    "a no-break space is a letter": "select \xa0e'\\'; select 2;",
}

NONE = {
    "an empty file": "",
    "space": " \r\n\t\f",
    "comments": "-- one\n/* two /* three */ */",
    "semicolons": ";;;",
    "what pg_dump writes around its dump": "\\restrict abc\n\n\\unrestrict abc\n",
}


@pytest.mark.parametrize("sql", ONE.values(), ids=ONE)
def test_this_is_one_statement(sql: str) -> None:
    assert [piece.text for piece in split(sql)] == [sql.removesuffix(";")]


@pytest.mark.parametrize("sql", TWO.values(), ids=TWO)
def test_these_are_two_statements(sql: str) -> None:
    assert len(split(sql)) == 2


@pytest.mark.parametrize("sql", NONE.values(), ids=NONE)
def test_this_is_no_statement(sql: str) -> None:
    assert split(sql) == ()


def test_text_and_position_leave_out_the_comments_around_a_statement() -> None:
    (piece,) = split("-- why\n/* how */ select -- what\n  1 -- done\n /* really */ ;")
    assert (piece.text, piece.start, piece.line) == ("select -- what\n  1", 17, 2)


def test_positions_count_characters_not_bytes() -> None:
    assert [piece.start for piece in split("select 'é日🎉';select 2")] == [0, 13]


# COPY

COPY = {
    "rows": ("copy t from stdin;\n1\ta\n2\tb\n\\.\n", "1\ta\n2\tb\n"),
    "no rows": ("copy t from stdin;\n\\.\n", ""),
    "Windows line ends": ("copy t from stdin;\r\n1\r\n\\.\r\n", "1\r\n"),
    "a quote in the data": ("copy t from stdin;\nit's; $$\n\\.\n", "it's; $$\n"),
    "a backslash line in the data": (
        "copy t from stdin;\n\\.x\n\\\\.\n\\N\n\\.\n",
        "\\.x\n\\\\.\n\\N\n",
    ),
    "options": ("copy a.t (b, c) from STDIN with (format csv);\n1\n\\.\n", "1\n"),
    "a comment behind": ("copy t from stdin; -- the rows\n1\n\\.", "1\n"),
    "the grammar's other word": ("copy t from stdout;\n1\n\\.\n", "1\n"),
    "a table called from": ('copy "from" from stdin;\n1\n\\.\n', "1\n"),
}

NO_COPY_DATA = {
    "a file": "copy t from 'stdin';",
    "a program": "copy t from program 'cat';",
    "a query": "copy (select a from stdin) to stdout;",
    "a table to the client": "copy t to stdout;",
    "a column called copy": "select copy from stdin;",
}


@pytest.mark.parametrize(("sql", "data"), COPY.values(), ids=COPY)
def test_copy_takes_its_data_along(sql: str, data: str) -> None:
    copy, after = split(sql.removesuffix("\n") + "\nselect 1;")
    assert (copy.copy_data, after.text) == (data, "select 1")


@pytest.mark.parametrize("sql", NO_COPY_DATA.values(), ids=NO_COPY_DATA)
def test_this_takes_no_data_along(sql: str) -> None:
    assert [piece.copy_data for piece in split(sql + "\nselect 1;")] == [None, None]


# What cannot be cut

FAULTS = {
    "a string": ("select 1;\nselect 'abc;\n", 2, "string"),
    "an E string": ("select e'abc\\'", 1, "string"),
    "a quoted name": ('\n\nselect "a', 3, "quoted name"),
    "a dollar quote": ("do $x$\n;$y$;", 1, "dollar quote $x$"),
    "a comment": ("select 1;\n/* a /* b */", 2, "comment"),
    "a comment inside": ("select 1\n/* a", 2, "comment"),
    "a parenthesis": ("create table t\n(\n a int;\nselect 1;", 2, "parenthesis"),
    "a body": ("create function f()\nbegin atomic select 1;", 2, "BEGIN"),
    "COPY data": ("select 1;\ncopy t from stdin;\n1\n2\n", 2, r"`\.`"),
    "COPY at the end of the file": ("copy t from stdin", 1, r"`\.`"),
    "COPY data on its own line": ("copy t from stdin; select 1;\n1\n\\.\n", 1, "the line after"),
    "a psql command": ("select 1;\n\\connect x\n", 2, r"`\connect`"),
    "a psql command in a statement": ("select 1\n \\gexec\nselect 2;", 2, r"`\gexec`"),
    "an escaped semicolon": (r"select 1\; select 2;", 1, r"`\;`"),
    "a lone end of data": ("select 1;\n\\.\n", 2, "COPY"),
    "restrict in a statement": ("select 1\n\\restrict x\n;", 2, r"`\restrict`"),
    "restrict without its key": ("\\restrict\n", 1, r"`\restrict`"),
}


@pytest.mark.parametrize(("sql", "line", "named"), FAULTS.values(), ids=FAULTS)
def test_what_cannot_be_cut_is_named_with_the_line_where_it_begins(
    sql: str, line: int, named: str
) -> None:
    (fault,) = scan(sql).faults
    assert fault.line == line
    assert named in fault.message


def test_all_psql_commands_of_a_file_are_listed_at_once() -> None:
    with pytest.raises(InputError) as caught:
        split("\\set a 1\nselect 1;\n\\i b.sql\n")
    assert [problem.line for problem in caught.value.problems] == [1, 3]


def test_variables_of_psql_stay_as_they_are() -> None:
    assert split("select :a, :'b', :\"c\";")[0].text == "select :a, :'b', :\"c\""


HOSTILE = {
    "parentheses": "(" * 1_000_000,
    "dollars": "$" * 1_000_001,
    "open tags": "$a1 " * 250_000,
    "comments": "/*" * 500_000,
    "quotes": "'" * 1_000_001,
    "dashes": "- " * 500_000,
    "open parentheses with words": "(a " * 300_000,
    "one long word": "a" * 1_000_000,
    "one long tag": "$" + "a" * 1_000_000,
    "E strings": "e''\n--\n" * 150_000,
    "psql commands": "\\a\n" * 100_000,
    "data that almost end": "copy t from stdin;\n" + "\\.x\n" * 250_000,
    "begins": "create function " + "begin " * 150_000,
}


@pytest.mark.parametrize("sql", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_megabyte_takes_no_more_than_seconds(sql: str) -> None:
    before = time.process_time()
    scan(sql)
    assert time.process_time() - before < 5
