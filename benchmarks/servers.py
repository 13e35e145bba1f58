"""Granian against gunicorn: one Flask endpoint with one indexed SQLite read, on one core, in one run.

Prints requests a second of each, and the ratio, which is the figure to keep: the machine
is shared. Needs wrk (Debian's package), which ``make bench`` installs.
"""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx2

ROUNDS, SECONDS, CONNECTIONS = 5, 4, 32
APP = """
import sqlite3, threading
from flask import Flask
app = Flask(__name__)
local = threading.local()

@app.get("/<int:key>")
def read(key):
    if not hasattr(local, "db"):
        local.db = sqlite3.connect("{path}", check_same_thread=False)
    return local.db.execute("SELECT value FROM t WHERE key = ?", (key,)).fetchone()[0]
"""


def serve(command: list[str], folder: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        ["taskset", "-c", "0", *command], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    for _ in range(100):
        try:
            if httpx2.get("http://127.0.0.1:8899/7").text == "value 7":
                return process
        except httpx2.HTTPError:
            time.sleep(0.1)
    raise SystemExit(f"{command[0]} did not start")


def load() -> float:
    command = [
        "taskset",
        "-c",
        "1",
        "wrk",
        "-t1",
        f"-c{CONNECTIONS}",
        f"-d{SECONDS}s",
        "http://127.0.0.1:8899/7",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    assert found, done.stdout
    return float(found.group(1))


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with sqlite3.connect(folder / "t.db") as database:
            database.execute("CREATE TABLE t (key INTEGER PRIMARY KEY, value TEXT)")
            database.executemany(
                "INSERT INTO t VALUES (?, ?)", ((key, f"value {key}") for key in range(1000))
            )
        (folder / "bare.py").write_text(APP.replace("{path}", str(folder / "t.db")))
        scripts = Path(sys.executable).parent
        servers = {
            "granian": [
                str(scripts / "granian"),
                "--interface",
                "wsgi",
                "--port",
                "8899",
                "--workers",
                "1",
                "--blocking-threads",
                "4",
                "bare:app",
            ],
            "gunicorn": [
                str(scripts / "gunicorn"),
                "--bind",
                "127.0.0.1:8899",
                "--workers",
                "1",
                "--threads",
                "4",
                "bare:app",
            ],
        }
        rates: dict[str, list[float]] = {one: [] for one in servers}
        for _ in range(ROUNDS):  # in turn, so that both meet the same machine
            for one, command in servers.items():
                process = serve(command, folder)
                rates[one].append(load())
                process.send_signal(signal.SIGTERM)
                process.wait(timeout=10)
        for one, found in rates.items():
            print(
                f"{one:9} {statistics.median(found):8.0f} requests a second ({min(found):.0f} to {max(found):.0f})"
            )
        pairs = [a / b for a, b in zip(rates["granian"], rates["gunicorn"], strict=True)]
        print(
            f"ratio     {statistics.median(pairs):8.2f} ({min(pairs):.2f} to {max(pairs):.2f}), {os.cpu_count()} cores"
        )


if __name__ == "__main__":
    main()
