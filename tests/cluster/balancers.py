"""Load balancers that ask a node, as a program that runs there: python3 - SECONDS COUNT PATH...

systemd-socket-activate starts for each request what the installed unit starts. Prints JSON:
`answers`, a list of [path, status, when it was asked, when it was answered] (epoch seconds);
`spent`, the processor time of all that the requests started and of what listens, in seconds;
`bare`, that of a start of Python at the same time, which tells how fast the machine is now.
"""

import grp
import json
import os
import pathlib
import pwd
import socket
import subprocess
import sys
import threading
import time

UNIT = pathlib.Path("/usr/lib/systemd/system/paf-health@.service")
FOLDER = pathlib.Path("/run/paf-health")
PORT = 8009


def listen():
    """Return the process that listens, as the instance's owner."""
    owner = pwd.getpwnam("postgres")
    FOLDER.mkdir(mode=0o700, exist_ok=True)
    os.chown(FOLDER, owner.pw_uid, owner.pw_gid)
    argv, = [line.partition("=-")[2].split() for line in UNIT.read_text("utf-8").splitlines()
             if line.startswith("ExecStart=-")]
    return subprocess.Popen(
        ["systemd-socket-activate", "--accept", "--inetd", "--listen", f"127.0.0.1:{PORT}",
         "--setenv", f"RUNTIME_DIRECTORY={FOLDER}", *argv],
        user="postgres", group="postgres", extra_groups=[grp.getgrnam("haclient").gr_gid],
        cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def ask(path):
    """Return [path, status (str), when asked, when answered]."""
    begin = time.time()
    with socket.create_connection(("127.0.0.1", PORT), 30) as one:
        one.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        found, part = b"", b"?"
        while part:
            part = one.recv(4096)
            found += part
    return [path, found[9:12].decode(), begin, time.time()]


def first_answer(path):
    """Wait until something listens, and return what `ask` does."""
    while True:
        try:
            return ask(path)
        except ConnectionRefusedError:
            time.sleep(0.05)


def spent(pid):
    """Return the processor time (seconds) of a process and of those that it has waited for."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def bare():
    """Return the processor time (seconds) of a start of Python."""
    process = subprocess.Popen(["/usr/bin/python3", "-ISB", "-c", "pass"])
    used = os.wait4(process.pid, 0)[2]
    process.returncode = 0
    return used.ru_utime + used.ru_stime


def balance(begin, seconds, paths, answers):
    """Ask for each path once a second; begin: of the first time, by the monotonic clock."""
    for second in range(seconds):
        time.sleep(max(0.0, begin + second - time.monotonic()))
        answers.extend(ask(path) for path in paths)


def main(seconds, count, *paths):
    """Measure, and print it."""
    seconds, count = int(seconds), int(count)
    process, answers = listen(), []
    try:
        first_answer(paths[0])
        before, begin = spent(process.pid), time.monotonic()
        balancers = [threading.Thread(target=balance, args=(
            begin + number / count, seconds, paths, answers)) for number in range(count)]
        for one in balancers:
            one.start()
        bares = [bare()]
        while any(one.is_alive() for one in balancers):
            balancers[-1].join(1.0)
            bares.append(bare())
        print(json.dumps({"spent": spent(process.pid) - before, "answers": answers,
                          "bare": sorted(bares)[len(bares) // 2]}))
    finally:
        process.terminate()
        process.wait()


main(*sys.argv[1:])
