"""Facts about the machine, and its processor times."""

import os
import platform
import subprocess

from lib import paths

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_times():
    """Busy, idle and stolen processor seconds of the machine since it started."""
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, idle, iowait, irq, softirq, steal = map(int, file.readline().split()[1:9])
    return (user + nice + system + irq + softirq) / TICKS, (idle + iowait) / TICKS, steal / TICKS


def processor_seconds_of_tree(parent):
    """User and system time of a process and of all of its children, those that ended and were waited for included."""
    try:
        with open(f"/proc/{parent}/task/{parent}/children", encoding="ascii") as file:
            children = file.read().split()
    except OSError:
        return 0.0
    return sum(map(processor_seconds, [parent, *children]))


def processor_seconds(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            fields = file.read().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0  # It has just ended.
    return sum(map(int, fields[11:15])) / TICKS


def field_of(path, name):
    try:
        with open(path, encoding="utf-8") as file:
            for line in file:
                if line.startswith(name):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return "unknown"


def filesystem_of(path):
    """Type of the file system that holds a path."""
    done = subprocess.run(["stat", "-f", "-c", "%T", str(path)], capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def facts():
    memory = field_of("/proc/meminfo", "MemTotal").split()[0]
    return {"cpu": field_of("/proc/cpuinfo", "model name"), "cores": os.cpu_count(),
            "memory_mib": int(memory) // 1024 if memory.isdigit() else None, "kernel": platform.release(),
            "filesystem": filesystem_of(os.environ.get("TMPDIR", "/tmp"))}


def program_facts(program):
    """Version of pgfanout, and the commit of the tree."""
    version = subprocess.run([program, "--version"], capture_output=True, text=True).stdout.strip()
    commit = subprocess.run(["git", "-C", paths.ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True)
    return {"version": version.replace("pgfanout", "").strip(), "commit": commit.stdout.strip() or "unknown"}
