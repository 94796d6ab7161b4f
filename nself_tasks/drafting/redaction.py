"""What of a schema may leave the machine: names and shapes, never a literal that may be a secret.

    api_token text DEFAULT 'k-1234'            ->  api_token text DEFAULT '***'
    COMMENT 'the password is hunter2'          ->  (left out)
    DEFAULT 'ghp_16C7e42F292c6912E7710c838347' ->  DEFAULT '***'

In doubt too much is hidden: a model does not need it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from nself_tasks.migrations.lexer import tokens
from nself_tasks.secrets import HIDDEN, mask

_ABOUT_SECRETS = re.compile(
    r"passw|passphrase|\bpwd|\bpin\b|secret|token|credential|(?:private|api|access|sign(?:ing)?"
    r"|licen[cs]e)[\s_-]*key|_key\b|\bkey\s*(?:is|[:=])|\bdsn\b|salt|jwt|bearer|://",
    re.IGNORECASE,
)
_TOKEN = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"(?:sk|pk|rk|whsec|ghp|gho|ghs|ghu|github_pat|glpat|npm|hf|shpat|xox[abpors]|AKIA|ASIA|AIza)"
    r"[-_A-Za-z0-9]{8,}"
    r"|eyJ[\w-]{8,}[\w.-]*"
    r"|[0-9a-fA-F]{32,}"
    r"|(?=[A-Za-z0-9+/]*[0-9])(?=[A-Za-z0-9+/]*[A-Z])(?=[A-Za-z0-9+/]*[a-z])[A-Za-z0-9+/]{20,}=*"
    r")"
)
"""The shapes of issued keys: a known prefix, a JWT, a digest, a long mix of cases and digits."""
_LONGEST_LITERAL = 80
_LONGEST_COMMENT = 160


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """Give a text with known secrets, and whatever looks like one, as `***`."""
    return _TOKEN.sub(HIDDEN, mask(text, secrets))


def sql(text: str, *, about: str = "") -> str:
    """Give SQL without comments, one space apart, its literals hidden where they may be secrets.

    `about` is what the SQL belongs to, such as a column's name: it may be about a secret too.
    """
    hidden = bool(_ABOUT_SECRETS.search(text) or _ABOUT_SECRETS.search(about))
    return _joined(_literal(token, hidden=hidden) for token in tokens(text))


def comment(text: str | None, *, about: str = "") -> str:
    """Give a comment on one line, shortened; nothing of one that may be about a secret."""
    words = " ".join((text or "").split())
    if _ABOUT_SECRETS.search(words) or (words and _ABOUT_SECRETS.search(about)):
        return ""
    return words if len(words) <= _LONGEST_COMMENT else f"{words[:_LONGEST_COMMENT]}…"


def _literal(token: str, *, hidden: bool) -> str:
    if not (token.endswith("'") or token.startswith("$")) or token[:1] == '"':
        return token
    inside = token[token.find("'") + 1 : -1] if token.endswith("'") else token
    # current_setting('app.tenant') and nextval('orders_seq') name things.
    if not inside or (not hidden and len(inside) <= _LONGEST_LITERAL):
        return token
    return f"'{HIDDEN}'"


def _joined(parts: Iterable[str]) -> str:
    """Join tokens as people write them: `f(a, b)::text`."""
    text = " ".join(parts)
    text = re.sub(r" (?=[,;).\]])|(?<=[(\[.]) | ?:: ?", lambda m: m[0].strip(), text)
    text = re.sub(r"\b([\w\"]+) \((?=[^ ])", _call, text)
    return re.sub(r" : : ?| :: ?", "::", text)


_BEFORE_A_LIST = frozenset(
    (
        *("in", "values", "check", "using", "key", "unique", "and", "or", "not", "as", "default"),
        *("on", "by", "with", "exists", "any", "all", "where", "exclude", "include"),
    )
)


def _call(found: re.Match[str]) -> str:
    return f"{found[1]} (" if found[1].lower() in _BEFORE_A_LIST else f"{found[1]}("
