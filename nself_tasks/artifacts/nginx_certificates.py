"""Where the certificates are: v2 mounts `ssl/`, v1 mounted `ssl/certificates/` or `nginx/ssl/`.

    /etc/nginx/ssl/localhost/fullchain.pem  ->  /etc/nginx/ssl/certificates/localhost/fullchain.pem
    /etc/nginx/ssl/nself.org.crt            ->  /etc/nginx/ssl/certificates/nself-org/fullchain.pem

The path in a site and the mount in the compose file change together, or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from nself_tasks.artifacts.compose_step import Step
from nself_tasks.artifacts.nginx_files import ConfFile
from nself_tasks.artifacts.nginx_setting import Setting
from nself_tasks.rewriting.edits import Edit

MOUNT = "/etc/nginx/ssl/"
EARLY = PurePosixPath("nginx/ssl")
FOLDER = PurePosixPath("ssl/certificates")
_DIRECTIVES = (
    *("ssl_certificate", "ssl_certificate_key", "ssl_trusted_certificate"),
    *("ssl_client_certificate", "ssl_dhparam"),
)
_ROLES = {".crt": "fullchain.pem", ".key": "privkey.pem"}


def certificate_steps(file: ConfFile, around: Setting) -> Iterator[Step]:
    """Give the change of the paths in a generated file."""
    if not around.has_v2_certificates or file.origin != "v1":
        return
    edits: list[Edit] = []
    line = 0
    for directive, _ in file.all():
        for word in directive.args if directive.name in _DIRECTIVES else ():
            path = word.value.removeprefix(MOUNT)
            if path != word.value and not path.startswith("certificates/") and "$" not in path:
                edits.append(
                    Edit(word.start, word.end, f"{MOUNT}certificates/{_place(path, around)}")
                )
                line = line or directive.line
    if edits:
        yield Step(
            "nginx-certificates",
            line,
            "certificates where v1 mounted them",
            f"read from `{MOUNT}certificates/`, as `ssl/` is mounted now",
            tuple(edits),
        )


def moved_certificates(around: Setting) -> Iterator[tuple[PurePosixPath, PurePosixPath]]:
    """Give the certificate files of 0.1 to 0.3, and where v2 mounts them from."""
    if not around.has_v2_certificates:
        return
    taken = set(around.known)
    for path in sorted(around.known):
        if path.is_relative_to(EARLY) and not path.name.startswith("."):
            target = FOLDER / _place(str(path.relative_to(EARLY)), around)
            if target not in taken:
                taken.add(target)
                yield path, target


def _place(path: str, around: Setting) -> str:
    """Give the place below `certificates/`; a file that is there already keeps its name."""
    name = PurePosixPath(path)
    role = _ROLES.get(name.suffix)
    if role is None or len(name.parts) > 1 or FOLDER / name in around.known:
        return path
    return f"{name.stem.replace('.', '-')}/{role}"
