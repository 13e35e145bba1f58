"""What a server takes of the processor: a figure that other programs on the machine hardly change."""

from __future__ import annotations

import os
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


def seconds_of(port: int) -> float:
    """Seconds of processor that the server on this port has taken so far, with its workers."""
    found = _processes()
    words = f" {port} "
    heads = [pid for pid, (_parent, command, _used) in found.items() if words in f" {command} "]
    return sum(_with_children(pid, found) for pid in heads if not _above(pid, heads, found))


def _with_children(pid: int, found: dict[int, tuple[int, str, float]]) -> float:
    below = (one for one, (parent, _command, _used) in found.items() if parent == pid)
    return found[pid][2] + sum(_with_children(one, found) for one in below)


def _above(pid: int, heads: list[int], found: dict[int, tuple[int, str, float]]) -> bool:
    parent = found[pid][0]
    return parent in heads or (parent in found and _above(parent, heads, found))


def _processes() -> dict[int, tuple[int, str, float]]:
    """Each process's parent, command line, and seconds of processor."""
    found = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        used = (int(fields[11]) + int(fields[12])) / TICK
        found[int(folder.name)] = int(fields[1]), command, used
    return found
