"""A published port, whichever of Compose's ways it is written in.

"127.0.0.1:8080:80"                                    ->  127.0.0.1:8080:80/tcp
{target: 80, published: "8080", host_ip: 127.0.0.1}    ->  127.0.0.1:8080:80/tcp
"""

from __future__ import annotations

from typing import Any


def published(item: Any) -> str:
    """Give `ADDRESS:PORT:TARGET/PROTOCOL`, the address and the port empty where none is said."""
    if isinstance(item, dict):
        address, port = item.get("host_ip") or "", item.get("published") or ""
        protocol, mode = item.get("protocol") or "tcp", item.get("mode") or "ingress"
        by_itself = "" if mode == "ingress" else f" {mode}"
        return f"{address}:{port}:{item.get('target')}/{protocol}{by_itself}"
    rest, _, protocol = str(item).partition("/")
    rest, _, target = rest.rpartition(":")
    # An address of version 6 has colons of its own, in brackets or without.
    address, _, port = rest.rpartition(":")
    return f"{address.strip('[]')}:{port}:{target}/{protocol or 'tcp'}"


def without_address(port: str) -> tuple[str, str]:
    """Take the address apart from what is published there."""
    head, target = port.rsplit(":", 1)
    address, _, number = head.rpartition(":")
    return address, f"{number}:{target}"
