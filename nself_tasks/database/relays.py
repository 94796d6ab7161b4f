"""What passes bytes between a `docker compose exec` and a port inside of the container.

A `docker` that is killed does not end what it started in the container. What ends the relay there,
and with it the server's session, is the end of its input, so every relay has to notice that.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress

from nself_tasks.compose_exec import Stack, docker_environment
from nself_tasks.database.servers.sockets import SSL_REQUEST
from nself_tasks.errors import ConnectionFailed

PROBE_SECONDS = 15.0

_BASH = """\
exec 3<>"/dev/tcp/127.0.0.1/$1" 4<&0 || exit 69
cat <&3 & down=$!
cat <&4 >&3 2>/dev/null & up=$!
wait -n
kill $down $up 2>/dev/null
"""
_PERL = """\
use IO::Socket::INET; use IO::Select;
my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1", PeerPort => shift) or exit 69;
binmode STDIN; binmode STDOUT;
my $both = IO::Select->new($s, \\*STDIN);
sub all { my ($to, $data) = @_; my $at = 0;
  while ($at < length $data) { $at += syswrite($to, $data, 65536, $at) // exit 0 } }
while (1) { for my $from ($both->can_read) {
  sysread($from, my $data, 65536) or exit 0;
  all($from == $s ? \\*STDOUT : $s, $data) } }
"""
_PYTHON = """\
import os, select, socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
while True:
    for end in select.select([s, 0], [], [])[0]:
        data = os.read(0, 65536) if end == 0 else s.recv(65536)
        if not data: sys.exit()
        if end == 0: s.sendall(data)
        else:
            while data: data = data[os.write(1, data):]
"""


def relays(port: int) -> dict[str, tuple[str, ...]]:
    """Give what a container may have to reach a port of its own, the best first."""
    return {
        "bash": ("bash", "-c", _BASH, "bash", str(port)),
        "busybox nc": ("busybox", "nc", "127.0.0.1", str(port)),
        "socat": ("socat", "STDIO", f"TCP:127.0.0.1:{port}"),
        "perl": ("perl", "-e", _PERL, str(port)),
        "python": ("python3", "-c", _PYTHON, str(port)),
    }


def relay_for(stack: Stack, port: int) -> tuple[str, ...]:
    """Give the first relay through which the server answers. Raises ConnectionFailed."""
    said = []
    for name, words in relays(port).items():
        answer, complaint = _probe(stack.command(*words))
        if answer in (b"S", b"N"):
            return words
        said.append(f"{name}: {complaint or 'no answer'}")
    raise ConnectionFailed(
        f"nothing in the container of `postgres` (stack `{stack.name}`) reaches port {port} there",
        detail="\n".join(said),
        hint="look whether the server in it runs (`docker compose ps`, `docker compose logs"
        " postgres`); the container needs one of bash, busybox, socat, perl, python3",
        database="unchanged",
    )


def _probe(command: Sequence[str]) -> tuple[bytes, str]:
    """Ask the server's first question through a relay; gives its answer and what went wrong."""
    try:
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=docker_environment(),
            cwd="/",
            start_new_session=True,
        ) as relay:
            timer = threading.Timer(PROBE_SECONDS, relay.kill)
            timer.start()
            try:
                assert relay.stdin is not None
                assert relay.stdout is not None
                assert relay.stderr is not None
                with suppress(BrokenPipeError):
                    relay.stdin.write(SSL_REQUEST)
                    relay.stdin.flush()
                answer = relay.stdout.read(1)
                with suppress(BrokenPipeError):
                    relay.stdin.close()
                complaint = b"" if answer else relay.stderr.read(2000)
                relay.kill()
            finally:
                timer.cancel()
    except OSError as error:
        return b"", str(error.strerror)
    return answer, " ".join(complaint.decode(errors="replace").split())
