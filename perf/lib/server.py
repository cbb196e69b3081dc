"""A throw-away PostgreSQL server for the length of a `with` block."""

import os
import shutil
import subprocess

from lib import machine, paths
from lib.failure import Failure

MIB, GIB = 1 << 20, 1 << 30


def settings_for(table_bytes):
    """The settings of a server that moves a table of that size.

    Shared buffers are the power of two below half of the table, at most 1 GB, so that every pass over the table reads it
    anew. The rest is what an expert sets for a window: WAL for the whole job without a checkpoint, if 24 GB are enough.
    Autovacuum is off, since it would run in some measurements only.
    """
    buffers = 32
    while buffers < 1024 and 4 * buffers * MIB <= table_bytes:
        buffers *= 2
    wal = min(max(-(-4 * table_bytes // GIB), 4), 24)
    return {"shared_buffers": f"{buffers}MB", "max_wal_size": f"{wal}GB", "min_wal_size": f"{wal // 2}GB",
            "wal_level": "replica", "checkpoint_timeout": "60min", "max_connections": "150", "autovacuum": "off"}


def require_space(table_bytes):
    """Raises unless source, target, indexes, sorts and WAL of a table of that size fit on the disk."""
    folder = os.environ.get("TMPDIR", "/tmp")
    needed = 3 * table_bytes + min(max(4 * table_bytes, GIB), 24 * GIB) + GIB
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise Failure(f"{folder} has {free / GIB:.0f} GB free, and this table needs {needed / GIB:.0f} GB: set TMPDIR to a"
                      " larger disk, or give fewer --rows")
    if table_bytes > GIB // 2 and machine.filesystem_of(folder) == "tmpfs":
        raise Failure(f"{folder} is in memory: set TMPDIR to a folder on a disk, or give fewer --rows")


class Server:
    """`major` None: Debian's own server. Others come from scripts/fetch-server."""

    def __init__(self, settings, major=None):
        self.major = major
        self.settings = settings
        self.process = None
        self.dsn_of_demo = None

    def __enter__(self):
        environment = dict(os.environ)
        if self.major:
            environment["PGFANOUT_PG_BINDIR"] = fetch(self.major)
        # In its own session, so that Ctrl-C does not reach it. Closing its standard input ends it.
        self.process = subprocess.Popen(
            [paths.PERF / "lib" / "server.sh", *(f"{name}={value}" for name, value in self.settings.items())],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True)
        try:
            self.dsn_of_demo = self.process.stdout.readline().strip()
        except BaseException:
            self.stop()
            raise
        if not self.dsn_of_demo:
            self.stop()
            raise Failure("the throw-away server did not start")
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.process.stdin.close()
        while True:
            try:
                self.process.wait()
                break
            except KeyboardInterrupt:
                continue  # The server is stopping.
        self.process.stdout.close()

    def dsn(self, database="demo"):
        return self.dsn_of_demo.replace("dbname=demo", f"dbname={database}")


def fetch(major):
    done = subprocess.run([paths.SCRIPTS / "fetch-server", str(major)], capture_output=True, text=True)
    if done.returncode:
        raise Failure(f"no PostgreSQL {major}: {done.stderr.strip()[-300:]}")
    return done.stdout.strip()
