"""pgbouncer before the test server, in the mode that a test asks for."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from servers_for_tests import answers, within

from nself_tasks.database.servers.binaries import from_wheel, local
from nself_tasks.database.servers.ownership import account_for

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
MISSING = "no pgbouncer (apt: pgbouncer)"

CONFIG = """\
[databases]
* = {server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
admin_users = pooler
pool_mode = {mode}
default_pool_size = {size}
query_wait_timeout = 20
{more}
"""


@dataclass(frozen=True, slots=True)
class Pooler:
    """A running pgbouncer; `url` is the database's through it."""

    url: str
    admin_url: str

    def servers(self) -> list[dict[str, Any]]:
        """The server connections that it keeps now, as its admin console tells them."""
        with psycopg.connect(self.admin_url, autocommit=True) as console:
            cursor = psycopg.ClientCursor(console)
            cursor.execute("SHOW SERVERS")
            assert cursor.description is not None
            names = [column.name for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


@contextmanager
def pooled(url: str, mode: str, *, size: int = 5, more: str = "") -> Iterator[Pooler]:
    """A pgbouncer before the database of a URL, gone at the end."""
    assert PROGRAM is not None, MISSING
    known = conninfo_to_dict(url)
    names = ("host", "port", "user", "password")
    server = " ".join(f"{name}={known[name]}" for name in names if known.get(name))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    address = f"127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "pgbouncer.ini"
        config.write_text(CONFIG.format(server=server, port=port, mode=mode, size=size, more=more))
        Path(folder).chmod(0o755)
        process = _started([PROGRAM, "--quiet", str(config)], Path(folder))
        try:
            made = Pooler(
                f"postgresql://{known['user']}@{address}/{known['dbname']}",
                f"postgresql://pooler@{address}/pgbouncer",
            )
            assert within(20, lambda: answers(made.url)), "pgbouncer does not answer"
            yield made
        finally:
            process.kill()
            process.wait()


def _started(command: list[str], folder: Path) -> subprocess.Popen[bytes]:
    """Start it as whom our servers run: it refuses root, and has to reach their socket."""
    programs = from_wheel() or local()
    account = account_for(programs, folder)[0] if programs else None
    other = account is not None and account.changes_user
    return subprocess.Popen(
        [*(account.prefix if account else ()), *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        user=account.uid if account and other else None,
        group=account.gid if account and other else None,
    )
