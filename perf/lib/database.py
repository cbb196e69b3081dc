"""A database, accessed through psql. Nothing here is timed."""

import os
import subprocess

from lib.failure import Failure

SESSIONS = 2


class Database:
    def __init__(self, dsn):
        self.dsn = dsn

    def psql(self, *arguments):
        return ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", self.dsn, *arguments]

    def query(self, *statements):
        """The lines that the statements print."""
        commands = [word for statement in statements for word in ("-c", statement)]
        done = subprocess.run(self.psql(*commands), capture_output=True, text=True)
        if done.returncode:
            raise Failure(done.stderr.strip())
        return done.stdout.split("\n")[:-1]

    def value(self, statement):
        return self.query(statement)[0]

    def run_file(self, path, **variables):
        assignments = [word for name, value in variables.items() for word in ("-v", f"{name}={value}")]
        done = subprocess.run(self.psql(*assignments, "-f", str(path)), capture_output=True, text=True)
        if done.returncode:
            raise Failure(done.stderr.strip())

    def query_dealt(self, statements):
        """The lines of all statements, which SESSIONS sessions share."""
        hands = [statements[number::SESSIONS] for number in range(SESSIONS)]
        running = [subprocess.Popen(self.psql("-f", "-"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
                   for _ in hands]
        for process, hand in zip(running, hands):
            process.stdin.write("\n".join(hand))
            process.stdin.close()
        lines = []
        for process in running:
            lines += process.stdout.read().splitlines()
            process.stdout.close()
            if process.wait():
                raise Failure("a statement failed")
        return lines

    def version(self):
        return self.value("SHOW server_version").split()[0]

    def settle(self):
        """Writes everything to disk, so that the next run does not wait for the writes of this one."""
        self.query("CHECKPOINT")
        os.sync()
