"""A throw-away PostgreSQL server for the length of a `with` block."""

import os
import subprocess

from lib import paths
from lib.failure import Failure

# All servers have the same settings: those for a bulk load on a machine of a few gigabytes. Autovacuum is off,
# since it would run in some measurements only.
SETTINGS = {"shared_buffers": "2GB", "max_wal_size": "16GB", "min_wal_size": "4GB", "max_connections": "150",
            "checkpoint_timeout": "30min", "autovacuum": "off"}


class Server:
    """`major` None: Debian's own server. Others come from scripts/fetch-server."""

    def __init__(self, major=None, settings=None):
        self.major = major
        self.settings = {**SETTINGS, **(settings or {})}
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
