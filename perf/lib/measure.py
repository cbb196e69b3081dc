"""Runs one command and measures it.

Processor time of the client is that of wait4: the command and all processes that it waited for. That of the
machine is the change of /proc/stat: the servers, the client and all other processes.
"""

import json
import os
import signal
import subprocess
import tempfile
import threading
import time

from lib import machine
from lib.failure import Failure

SAMPLES = 200  # At most so many points of memory over time are kept.


class MemorySampler:
    """Resident memory of a process over time, in a thread of its own."""

    def __init__(self, pid, every=0.05):
        self.path = f"/proc/{pid}/status"
        self.every = every
        self.points = []
        self.done = threading.Event()
        self.started = time.monotonic()
        self.thread = threading.Thread(target=self.sample)
        self.thread.start()

    def sample(self):
        while not self.done.wait(self.every):
            resident = machine.field_of(self.path, "VmRSS").split()[0]
            if resident.isdigit():
                self.points.append([round(time.monotonic() - self.started, 3), int(resident) * 1024])

    def stop(self):
        self.done.set()
        self.thread.join()
        return thin(self.points, SAMPLES)


def thin(points, most):
    """At most that many points: the highest of each interval, so that every peak is kept."""
    if len(points) <= most:
        return points
    size = -(-len(points) // most)
    return [max(points[start:start + size], key=lambda point: point[1]) for start in range(0, len(points), size)]


def measure(command, expected_code=0, sample_memory=False):
    """Runs the command. Returns its measurements and its output, or raises Failure."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        before, started = machine.cpu_times(), time.monotonic()
        # Its own process group, so that end() reaches all of it.
        process = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                   start_new_session=True)
        sampler = MemorySampler(process.pid) if sample_memory else None
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            end(process)
            raise
        finally:
            points = sampler.stop() if sampler else None
        wall, after = time.monotonic() - started, machine.cpu_times()
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        printed = out.read().decode(errors="replace")
        if process.returncode != expected_code:
            said = (err.read().decode(errors="replace") or printed)[-1500:]
            raise Failure(f"{os.path.basename(str(command[0]))} exited {process.returncode}: {said}")
    busy, idle, steal = (b - a for a, b in zip(before, after))
    run = {"wall": wall, "client_cpu": usage.ru_utime + usage.ru_stime, "machine_cpu": busy, "idle": idle,
           "steal": steal, "idle_share": idle / max(busy + idle + steal, 1e-9),
           "peak_rss_bytes": usage.ru_maxrss * 1024}
    run = {name: round(value, 4) for name, value in run.items()}
    if points is not None:
        run["memory"] = points
    return run, printed


def end(process):
    """SIGTERM to the process group, twice: after the second one pgfanout stops at once."""
    for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(timeout=10 if number == signal.SIGKILL else 2)
        except (ProcessLookupError, ChildProcessError):
            return
        except subprocess.TimeoutExpired:
            continue


def peer(path, *arguments):
    """A measured script of perf/peers, with the phases that it prints."""
    run, printed = measure([path, *arguments])
    run["phases"] = [{"name": words[1], "seconds": float(words[2])}
                     for words in map(str.split, printed.splitlines()) if words[:1] == ["phase"]]
    return run


def pgfanout(program, *arguments, expected_code=0, sample_memory=False):
    """A measured call of pgfanout, with its own report, without what grows with the schema."""
    run, printed = measure([program, *arguments, "--json", "--progress", "none"], expected_code, sample_memory)
    report = json.loads(printed)
    for name in ("partitions", "impact", "issues"):
        report.pop(name, None)
    if isinstance(report.get("differences"), dict):
        report["differences"].pop("rows", None)
    run["report"] = report
    run["phases"] = [{"name": stage["name"], "seconds": stage["seconds"]} for stage in report.get("stages", [])]
    return run
