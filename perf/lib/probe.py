"""What a run costs the servers: their processor time, WAL, blocks, checkpoints, and what their sessions wait for.

The counters are read before and after a run. One session for each server samples the active sessions meanwhile.
"""

import collections
import os
import subprocess
import tempfile
import threading
import time

from lib import machine

EVERY = 0.5  # Seconds between two samples.
EVENTS = 6  # So many wait events of each stage are kept.

COUNTERS = """
SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint, {checkpoints},
       (SELECT sum(blks_read) FROM pg_stat_database), (SELECT sum(temp_bytes) FROM pg_stat_database)
"""
CHECKPOINTS = "(SELECT checkpoints_timed + checkpoints_req FROM pg_stat_bgwriter)"
CHECKPOINTS_17 = "(SELECT num_timed + num_requested FROM pg_stat_checkpointer)"
NAMES = ("wal_bytes", "checkpoints", "blocks_read", "temp_bytes")

SAMPLE = """SELECT round(extract(epoch FROM clock_timestamp()), 2),
    coalesce(wait_event_type || ':' || wait_event, 'processor'), count(*) FROM pg_stat_activity
    WHERE pid <> pg_backend_pid() AND backend_type IN ('client backend', 'parallel worker') AND state = 'active'
    GROUP BY 2;
"""


class Probe:
    """`with Probe(databases) as probe`: afterwards `probe.found` has the counters and `waits`."""

    def __init__(self, databases):
        self.databases = databases
        self.found = {}

    def __enter__(self):
        self.postmasters = [int(database.value("SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)"))
                            for database in self.databases]
        self.before = self.counters()
        self.samplers = [Sampler(database) for database in self.databases]
        self.started = time.time()
        self.processor = self.processor_seconds()
        return self

    def __exit__(self, kind, *_):
        processor = self.processor_seconds() - self.processor
        samples = [sample for sampler in self.samplers for sample in sampler.stop()]
        if kind is None:
            after = self.counters()
            self.found = {name: after[name] - self.before[name] for name in NAMES}
            self.found["servers_cpu"] = round(processor, 2)
            self.found["samples"] = [[round(at - self.started, 2), event, count] for at, event, count in samples]

    def counters(self):
        total = collections.Counter()
        for database in self.databases:
            recent = int(database.value("SHOW server_version_num")) >= 170000
            line = database.value(COUNTERS.format(checkpoints=CHECKPOINTS_17 if recent else CHECKPOINTS))
            total.update(dict(zip(NAMES, map(int, line.split("|")))))
        return total

    def processor_seconds(self):
        return sum(map(machine.processor_seconds_of_tree, self.postmasters))


class Sampler:
    def __init__(self, database):
        self.out = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(database.psql("-f", "-"), stdin=subprocess.PIPE, stdout=self.out,
                                        stderr=subprocess.DEVNULL, text=True)
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.sample)
        self.thread.start()

    def sample(self):
        while not self.done.wait(EVERY):
            try:
                self.process.stdin.write(SAMPLE)
                self.process.stdin.flush()
            except BrokenPipeError:
                return

    def stop(self):
        """[(seconds since the epoch, event, sessions)]"""
        self.done.set()
        self.thread.join()
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass  # The server ended before.
        self.process.wait()
        with self.out:
            self.out.seek(0)
            return [(float(at), event, int(count)) for at, event, count in
                    (line.strip().split("|") for line in self.out if line.count("|") == 2)]


def waits(samples, phases):
    """{stage: {event: mean number of sessions}} of the most frequent events; stages follow each other from 0."""
    ends, end = [], 0.0
    for phase in phases:
        end += phase["seconds"]
        ends.append((end, phase["name"]))
    found = {}
    for at, event, count in samples:
        name = next((name for end, name in ends if at <= end), "end")
        for stage in ("all", name):
            found.setdefault(stage, collections.Counter())[event] += count
    times = collections.Counter()
    for at in {sample[0] for sample in samples}:
        times.update(("all", next((name for end, name in ends if at <= end), "end")))
    return {stage: {event: round(count / times[stage], 2) for event, count in events.most_common(EVENTS)}
            for stage, events in found.items()}
