"""Which model is asked, where, and with whose key: endpoint and key come from one source, together.

A cloned project names neither: a host of its choice would get the operator's key, or the schema.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from nself_tasks.artifacts.plugin_home import FOLDER
from nself_tasks.errors import GuardError, UsageError
from nself_tasks.project import read_small
from nself_tasks.rewriting import dotenv
from nself_tasks.secrets import mask_url

PROVIDERS = {
    "openai": ("PLUGIN_OPENAI_API_KEY", "https://api.openai.com/v1"),
    "anthropic": ("PLUGIN_ANTHROPIC_API_KEY", "https://api.anthropic.com/v1"),
    "gemini": (
        "PLUGIN_GEMINI_API_KEY",
        "https://generativelanguage.googleapis.com/v1beta/openai",
    ),
}
"""Each with the name of the plugin's key for it and its own OpenAI-compatible address."""
PLUGIN_ENDPOINT = "http://127.0.0.1:8010/ai/v1"
OLLAMA = "http://localhost:11434"
_OLLAMA_NAMES = ("NSELF_OLLAMA_HOST", "PLUGIN_AI_OLLAMA_URL", "PLUGIN_OLLAMA_URL")
_MODEL_NAMES = ("PLUGIN_AI_DEFAULT_MODEL", "AI_DEFAULT_MODEL")

Listens = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One server that speaks the OpenAI protocol."""

    base_url: str = field(repr=False)
    key: str | None = field(repr=False)
    source: str
    """Who named it, e.g. `NSELF_AI_BASE_URL`."""
    model: str | None = None
    """What the same source calls the default model."""

    @property
    def shown(self) -> str:
        """The address as people and reports see it."""
        return mask_url(self.base_url)

    @property
    def local(self) -> bool:
        """Whether the address is this machine's own."""
        return is_local(urlsplit(self.base_url).hostname or "")

    @property
    def bare(self) -> bool:
        """Whether key and schema would cross a network unencrypted."""
        return not self.local and urlsplit(self.base_url).scheme == "http"


def is_local(host: str) -> bool:
    """Tell whether a host is this machine, without asking a name server."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listens(url: str) -> bool:
    """Tell whether anybody accepts a connection at the address of this machine, within 0.3 s."""
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname or "", parts.port or 80), timeout=0.3).close()
    except OSError:
        return False
    return True


def endpoint(environ: Mapping[str, str], *, answers: Listens = listens) -> Endpoint | None:
    """Give the first source that names an endpoint; None where there is none.

    Raises UsageError for an address that is none, InputError for a file that cannot be read.
    """
    found = next(_sources(environ, answers), None)
    if found is not None:
        _require_address(found)
    return found


def require_allowed(found: Endpoint, *, offline: bool) -> None:
    """Raise GuardError where the host is another machine and `--offline` forbids that."""
    if offline and not found.local:
        raise GuardError(
            f"`{found.shown}` ({found.source}) is another machine, and `--offline` is given:"
            " nothing was sent",
            hint="name an endpoint of this machine (Ollama at http://localhost:11434/v1), or leave"
            " `--offline` and NSELF_OFFLINE out",
        )


def _sources(environ: Mapping[str, str], answers: Listens) -> Iterator[Endpoint]:
    if environ.get("NSELF_AI_BASE_URL"):
        key = environ.get("NSELF_AI_API_KEY") or None
        yield Endpoint(environ["NSELF_AI_BASE_URL"], key, "NSELF_AI_BASE_URL")
    elif environ.get("NSELF_AI_API_KEY"):
        raise UsageError(
            "NSELF_AI_API_KEY is set without NSELF_AI_BASE_URL: nobody knows whose key it is",
            hint="set NSELF_AI_BASE_URL too, or use OPENAI_API_KEY for OpenAI's own endpoint",
        )
    if environ.get("OPENAI_BASE_URL") or environ.get("OPENAI_API_KEY"):
        base = environ.get("OPENAI_BASE_URL")
        named = "OPENAI_BASE_URL" if base else "OPENAI_API_KEY"
        key = environ.get("OPENAI_API_KEY") or None
        yield Endpoint(base or PROVIDERS["openai"][1], key, named)
    yield from _of_the_plugin(environ, "the environment")
    home = of_home(environ)
    yield from _of_the_plugin(home, f"~/{FOLDER}/ai/.env")
    if answers(PLUGIN_ENDPOINT):
        yield Endpoint(PLUGIN_ENDPOINT, None, "the ai plugin's local endpoint")
    if answers(OLLAMA):
        model = environ.get("NSELF_OLLAMA_DEFAULT_MODEL") or _model(environ)
        yield Endpoint(f"{OLLAMA}/v1", None, "Ollama on this machine", model)


def of_home(environ: Mapping[str, str]) -> Mapping[str, str]:
    """Give the plugin's settings in the operator's own home folder. Raises InputError."""
    home = environ.get("HOME") or ""
    if not Path(home).is_absolute():
        return {}
    text = read_small(Path(home) / FOLDER / "ai" / ".env")
    if text is None:
        return {}
    read = dotenv.read(text)
    return dotenv.interpolate({a.key: a for a in read.assignments if a.value is not None}, environ)


def _of_the_plugin(values: Mapping[str, str], where: str) -> Iterator[Endpoint]:
    """Give what the ai plugin's own settings name: the provider with its key, else Ollama."""
    chosen = values.get("PLUGIN_AI_DEFAULT_PROVIDER", "").strip().lower()
    for provider, (name, base) in PROVIDERS.items():
        if values.get(name) and chosen in ("", provider):
            yield Endpoint(base, values[name], f"{name} in {where}", _model(values))
    for name in _OLLAMA_NAMES:
        if values.get(name) and chosen in ("", "ollama"):
            base = values[name] if "://" in values[name] else f"http://{values[name]}"
            base = base.rstrip("/")
            model = values.get("NSELF_OLLAMA_DEFAULT_MODEL") or _model(values)
            yield Endpoint(
                base if base.endswith("/v1") else f"{base}/v1", None, f"{name} in {where}", model
            )


def _model(values: Mapping[str, str]) -> str | None:
    return next((values[name] for name in _MODEL_NAMES if values.get(name)), None)


def _require_address(found: Endpoint) -> None:
    """Raise UsageError for what is no address, and for a key that would go over the wire bare."""
    try:
        parts = urlsplit(found.base_url)
        good = parts.scheme in ("http", "https") and parts.hostname
        _ = parts.port
    except ValueError:
        good = None
    if not good:
        raise UsageError(
            f"the address of the model's endpoint ({found.source}) is no http or https URL",
            hint="it looks like https://host/v1",
        )
    if found.key and (not found.key.isascii() or not found.key.isprintable()):
        raise UsageError(
            f"the key beside {found.source} has signs that no key has",
            hint="set it again, without line ends",
        )
