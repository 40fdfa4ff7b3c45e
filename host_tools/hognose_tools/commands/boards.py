# SPDX-License-Identifier: MIT
"""`hognose boards`: lists the boards that are plugged in."""

import argparse
import json
from typing import Any

from ..board import connection
from ..board.connection import Connection, until_done
from ..board.examine import examine
from ..errors import UserError

PATIENCE = 4.0  # seconds per port: there may be no board on it


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", action="append", help="may be repeated (default: all USB serial ports)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def main(args: argparse.Namespace) -> int:
    ports = args.port or connection.usb_ports()
    boards = [_describe(port) for port in ports]
    if args.json:
        print(json.dumps(boards, indent=2))
    elif not boards:
        print("no board is plugged in")
    else:
        print(_table(boards))
    return 0


def _describe(port: str) -> dict[str, Any]:
    """A board's facts for JSON, or what went wrong under "error". Restarts its app."""
    try:
        with until_done(Connection(port, PATIENCE)) as link:
            facts = examine(link)
    except UserError as e:
        return {"port": port, "error": str(e)}
    return {
        "port": port,
        "board": facts.machine,
        "implementation": facts.implementation,
        "version": ".".join(map(str, facts.version)),
        "architecture": facts.architecture or None,
        "ram_free": facts.ram_free,
        "flash_free": facts.flash_free,
    }


def _table(boards: list[dict[str, Any]]) -> str:
    rows = [("port", "board", "firmware", "architecture", "free RAM", "free flash")]
    for b in boards:
        if "error" in b:
            rows.append((b["port"], b["error"].removeprefix(f"{b['port']} "), "", "", "", ""))
            continue
        name = {"micropython": "MicroPython", "circuitpython": "CircuitPython"}[b["implementation"]]
        ram = "?" if b["ram_free"] is None else f"{b['ram_free']:,}"
        rows.append(
            (
                b["port"],
                b["board"],
                f"{name} {b['version']}",
                b["architecture"] or "-",
                ram,
                f"{b['flash_free']:,}",
            )
        )
    whole = [row for row in rows if row[2]]
    widths = [max(len(row[i]) for row in whole) for i in range(6)]
    widths[0] = max(len(row[0]) for row in rows)
    return "\n".join(
        "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows
    )
