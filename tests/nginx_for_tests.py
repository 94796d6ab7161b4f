"""The real nginx on a copy of a tree, put where the test machine has room for it.

Only places change in the copy: `/etc/nginx`, the logs, the user and the two ports. The one line
left out is `http2 on;`, which Debian's nginx 1.22 does not know.
"""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from os import getuid
from pathlib import Path
from pwd import getpwuid

from nself_tasks.artifacts.finding import Evidence

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
_CERTIFICATE = re.compile(r"ssl_certificate(_key)? (/etc/nginx/ssl/\S+);")


@dataclass
class Tree:
    """A tree as the container would see it."""

    root: Path
    ports: Mapping[int, int] = field(default_factory=lambda: {80: free_port(), 443: free_port()})

    def write(self, project: Evidence, resolver: str | None = None) -> None:
        """Mount the project's folders as its compose file says; again, after they changed."""
        for name in ("logs", "ssl"):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        compose = project.text("docker-compose.yml") or ""
        (self.root / "mime.types").write_text("types { text/html html; }\n")
        for source, target in re.findall(
            r"- \./(nginx/\S+?|nginx):/etc/nginx/(\S+?)(?::ro)?\r?\n", compose
        ):
            if (self.root / target).is_dir():
                shutil.rmtree(self.root / target)
            for path, text in project.texts.items():
                if str(path) == source or path.is_relative_to(source):
                    place = self.root / target / path.relative_to(source)
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.write_bytes(self._here(text, resolver).encode())
        mounts = dict(re.findall(r"- (\./ssl\S*?|\./nginx/ssl):(/etc/nginx/ssl)", compose))
        for text in project.texts.values():
            for _, path in _CERTIFICATE.findall(text):
                self._certify(Path(path).relative_to("/etc/nginx"))
        assert mounts, "no certificates are mounted"

    def _here(self, text: str, resolver: str | None) -> str:
        text = re.sub(r"^[ \t]*http2 on;[ \t]*\r?\n", "", text, flags=re.MULTILINE)
        text = text.replace("/etc/nginx/", f"{self.root}/").replace(
            "/var/log/nginx", f"{self.root}/logs"
        )
        text = text.replace("/var/run/", f"{self.root}/").replace(
            "user nginx;", f"user {getpwuid(getuid()).pw_name};"
        )
        for port, here in self.ports.items():
            text = re.sub(rf"(listen (?:\[::\]:)?){port}\b", rf"\g<1>{here}", text)
        return text.replace("127.0.0.11", resolver) if resolver else text

    def _certify(self, path: Path) -> None:
        place = self.root / path
        if place.exists():
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        both = place.parent / "made.pem"
        if not both.exists():
            command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
            subprocess.run(
                [*command.split(), "-subj", "/CN=test", "-keyout", both, "-out", f"{both}.crt"],
                check=True, capture_output=True,
            )  # fmt: skip
            both.write_text(both.read_text() + Path(f"{both}.crt").read_text())
        place.write_text(both.read_text())

    def command(self, *more: str) -> list[str]:
        """nginx on this tree."""
        assert NGINX is not None
        first = ["-p", str(self.root), "-c", str(self.root / "nginx.conf"), "-e", "stderr"]
        return [NGINX, *first, *more]

    def check(self) -> str:
        """What `nginx -t` objects to."""
        done = subprocess.run(self.command("-t"), capture_output=True, text=True, check=False)
        return "" if done.returncode == 0 else done.stderr


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])
