"""Makes hostile inputs: texts of each grammar, mutated with the signs that the grammar lives of."""

from __future__ import annotations

from random import Random

SEEDS: dict[str, tuple[str, ...]] = {
    "sql": (
        "CREATE TABLE t (a int DEFAULT 1, b text); -- one\nINSERT INTO t VALUES (1, 'a;''b');\n",
        "create function f() returns int language sql as $f$ select ';' || $$x$$ $f$;\nselect 1;",
        "create procedure p() begin atomic select case when true then 1 end; select 2; end;\n",
        "/* a /* b; */ c */ select E'a\\'b'\n  'c;' , U&'\\0061', \"q\"\"x;\" /* d */;",
        "copy t (a, b) from stdin;\n1\ta;b\n\\N\t'\n\\.\nselect 2;\n",
        "BEGIN;\n-- nself: no-transaction\nCREATE INDEX CONCURRENTLY i ON t (a);\nCOMMIT;\n",
        "\\restrict abc\nDO $x$ begin perform 1; end $x$;\n\\unrestrict abc\n",
        "create rule r as on insert to t do also (select 1; select 2); select a$b$, $1, 1e'x';",
    ),
    "env": (
        "# head\nPROJECT_NAME=demo\nexport A='x\ny' # note\nB=\"a\\n${A:-$C}\\$\"\nC\nD: e\n",
        "URL=postgres://u:p@h:5432/d?x=1#f\nX=a#b #c\nE=\nF=''\nG=$$H ${I:+${J-k}} ${K:?no}\n",
        'KEY=\'{"type":"HS256","key":"x y"}\'\nM="\nfirst\nsecond # none\n"\nN=$(touch x)`id`\n',
        "A=$B$B\nB=$C$C\nC=$D$D\nD=$A\n\n   \t# c\nnot an assignment\n=x\nA B=c\n",
    ),
    "yaml": (
        "a: &x {b: 1, c: [2, '3', \"4\\n\"]}\nd:\n  <<: *x\n  e: |\n    text #\n  f: >-\n    g\n",
        "services:\n  db:\n    image: postgres:16 # pin\n    ports: ['5432:5432', 22:22]\n",
        "environment:\n  - A=${B:-c}\n  - 'D=e'\ncommand: [sh, -c, \"x\"]\n",
        "- a\n-\n  - b\n  - - c\n- {d: , e: ~}\n- ? f\n  : g\n- !!str 1\n- *h\n",
        "# only\n---\nx: 0x1f\ny: 1e400\nz: .5\nw: 'it''s'\nv: \"\\u00e9\"\n...\n",
        "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: {<<: [*m, *m], a: *c}\n",
    ),
    "nginx": (
        '# head\nuser nginx;\nhttp {\n  server { listen 80; server_name a.b "c d"; }\n}\n',
        "server {\n  location ~ \\.(a|b)$ { return 301 https://$host${uri}x; }\n}\n",
        "add_header A 'b;{'; include /etc/nginx/*.conf; error_log off;",
        "map $a $b { default 0; '~^x{2}' 1; }\nlog_format m '$remote \"$x\" ' '\\'$y';\n",
        "upstream u { server 1.2.3.4:80 weight=5; } if ($a = 'b') { set $c \"d\\\\e\"; }\n",
    ),
}
"""Texts that are right, or nearly so; every scanner's name is a key."""

SIGNS: dict[str, tuple[str, ...]] = {
    "sql": (
        *("'", '"', "''", "E'", "e'\\", "U&'", "$$", "$a$", "$1", "--", "-- x\n", "/*", "*/", ";"),
        *(
            "(",
            ")",
            "\\",
            "\\.",
            "\n\\.\n",
            "copy t from stdin;\n",
            "begin atomic ",
            "end ",
            "case ",
        ),
        *(
            "create function f() ",
            "begin;",
            "commit;",
            "\\restrict a\n",
            "-- nself: ",
            "\v",
            "é$x$",
        ),
        *("-- +goose Up\n", "-- migrate:up\n", "\\i x\n", "'\n'", "E'a' --c\n '\\'", "\xa0"),
    ),
    "env": (
        *("'", '"', "=", ":", "#", " #", "\\", "$", "${", "}", ":-", "$$", "\\$", "\\n", "`", "$("),
        *("export ", "A=", "\nB='", '\nC="', "\n", "\t", "<<EOF\n", "EOF\n", "${A:-${B", "\u2028"),
    ),
    "yaml": (
        *(
            "'",
            '"',
            ": ",
            "- ",
            "? ",
            "| ",
            ">-\n",
            "&a ",
            "*a",
            "<<: *a\n",
            "{",
            "}",
            "[",
            "]",
            ",",
        ),
        *(
            "#",
            " #",
            "!!binary ",
            "!!python/object/apply:os.system ",
            "---\n",
            "...\n",
            "%YAML 1.1\n",
        ),
        *("\n  ", "\t", "\\x", "~", "@", "0o17", "1_000", "\u2028", "\x85", "a: &a\n", "\ufeff"),
    ),
    "nginx": (
        *(
            "'",
            '"',
            ";",
            "{",
            "}",
            "#",
            "\\",
            "$",
            "${",
            "a{",
            "~",
            "(",
            ")",
            "\n",
            " ",
            "\t",
            "\\;",
        ),
        *("include /etc/passwd;", "server {", "location / {", "''", '"";', "\\'", "\\{", "\v"),
    ),
}

ANY_TEXT = (
    "\r\n",
    "\r",
    "\ufeff",
    "\u202e",
    "\x1b[2J",
    "😀",
    "\x00",
    "\x7f",
    "é",
    "\u0085",
    "9" * 40,
)
RAW = (
    b"\xff",
    b"\xc3",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\x00",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
)
LARGE_ONE_IN = 1500
LARGEST = 200_000
"""Characters of the few inputs that look for a time that is more than linear."""


def make(scanner: str, random: Random) -> bytes:
    """Give one input: a mutated seed, seldom a very large one, seldom broken as UTF-8."""
    text = random.choice(SEEDS[scanner])
    signs = SIGNS[scanner] + ANY_TEXT
    if random.randrange(LARGE_ONE_IN) == 0:
        text = _large(text, signs, random)
    for _ in range(random.choice((0, 1, 1, 2, 3, 5, 8, 13))):
        text = _mutated(text, scanner, signs, random)
    raw = text.encode("utf-8", "surrogatepass")
    for _ in range(random.choice((0, 0, 0, 0, 1, 2))):
        raw = _broken(raw, random)
    return raw


def _mutated(text: str, scanner: str, signs: tuple[str, ...], random: Random) -> str:
    a, b = sorted((random.randint(0, len(text)), random.randint(0, len(text))))
    b = min(b, a + 60)
    match random.randrange(9):
        case 0 | 1 | 2:
            return text[:a] + random.choice(signs) + text[a:]
        case 3:
            return text[:a] + text[b:]
        case 4:
            return text[:b] + text[a:]
        case 5:
            other = random.choice(SEEDS[scanner])
            return text[:a] + other[random.randint(0, len(other)) :]
        case 6:
            return text[:a] + random.choice(signs) * random.choice((2, 3, 17, 70)) + text[a:]
        case 7:
            return text[:a] + random.choice(signs) + text[a:b] + random.choice(signs) + text[b:]
        case _:
            return text.replace("\n", random.choice(("\r\n", "\r", "\n\n", " ", "\n\t")))


def _large(text: str, signs: tuple[str, ...], random: Random) -> str:
    """Repeat one sign or a few: very long tokens, deep nesting, many openers without an end."""
    unit = "".join(random.choice(signs) for _ in range(random.choice((1, 1, 2, 3))))
    if random.randrange(4) == 0:
        unit = text
    times = random.randint(1, LARGEST) // max(1, len(unit))
    where = random.randint(0, len(text))
    return text[:where] + unit * times + text[where:]


def _broken(raw: bytes, random: Random) -> bytes:
    at = random.randint(0, len(raw))
    if random.randrange(2) or at == len(raw):
        return raw[:at] + random.choice(RAW) + raw[at:]
    return raw[:at] + bytes([random.randrange(256)]) + raw[at + 1 :]
