"""A process that has imported the large libraries, and forks for each job of a run on this machine.

Importing torch, transformers and trl takes most of the processor time of a job of pocket size. Snakemake starts the
server before its first job. The `valuedrift` command of a job sends its arguments, environment, folder and standard
streams to the server, passes signals on to the fork, and ends with the fork's status. If anything prevents this (no
server, another environment, another Python), the command runs in its own process, as it does on clusters.
"""

from __future__ import annotations

import atexit
import ctypes
import dis
import gc
import json
import os
import selectors
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any
from uuid import uuid4

from valuedrift.locks import SNAKEMAKE

SERVER = "VALUEDRIFT_JOB_SERVER"
"""The environment variable with the name of the server's socket."""

_LIBRARIES = ("GOTO_NUM", "MKL_NUM", "NUMEXPR_NUM", "OMP_NUM", "OPENBLAS_NUM", "VECLIB_MAXIMUM")
ONE_THREAD = {f"{name}_THREADS": "1" for name in _LIBRARIES}
"""The variables that Snakemake sets for a job with one thread."""

# Libraries read variables when they are imported, so a job's variables must be the server's, apart from these.
_OF_A_JOB = ("GPUS", "OLDPWD", "PATH", "PWD", "SHLVL", "TEMP", "TEMPDIR", "TMP", "TMPDIR", SNAKEMAKE, "_")
_LATER = {  # what these modules import when they open models
    "valuedrift.models.sentence_encoder": "sentence_transformers",
    "torch": "transformers.models.llama.modeling_llama",
}
_PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGTSTP, signal.SIGCONT)
# Threads that don't hinder a fork: jemalloc starts its own anew, and polars' waits for files that no job spills.
_HARMLESS = frozenset({"jemalloc_bg_thd", "polars-ooc-clea"})
_GPUS = ("/dev/nvidiactl", "/dev/kfd")
_LARGEST = 1 << 20  # bytes of a request
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def start() -> subprocess.Popen[bytes] | None:
    """Start the server of this Snakemake, for jobs with one thread, and put its name into the environment.

    Returns:
        The server; None where forks aren't safe or can't be watched: on systems other than Linux and in containers
        that forbid it, and with a GPU.
    """
    if not _can_watch() or any(Path(device).exists() for device in _GPUS):
        return None
    os.environ[SERVER] = f"valuedrift-{uuid4().hex}"
    with _socket() as listener:
        listener.bind(_address())
        listener.listen(64)
        # Python 3.12 warns of every fork with threads; -P keeps the working directory's modules out.
        options = ("-W", "ignore:This process:DeprecationWarning", "-P")
        command = [sys.executable, *options, "-m", "valuedrift.job_server", str(listener.fileno())]
        variables = {**os.environ, **ONE_THREAD}
        server = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[listener.fileno()], env=variables)
    atexit.register(server.communicate)  # the end of its input ends the server
    _count_forks(server.pid)
    return server


def _count_forks(server: int) -> None:
    """Let psutil, and so Snakemake's benchmarks, count the forks of the server as children of their commands."""
    import psutil

    descendants = psutil.Process.children

    def children(process: psutil.Process, recursive: bool = False) -> list[psutil.Process]:
        found = list(descendants(process, recursive))
        names = {_fork_name(one.pid) for one in (process, *found)}
        with suppress(psutil.NoSuchProcess):
            for fork in descendants(psutil.Process(server), recursive=True):
                with suppress(psutil.NoSuchProcess):
                    found += [fork] if fork.name() in names else []
        return found

    psutil.Process.children = children


def run_in_fork(words: list[str]) -> int | None:
    """Run a command line in a fork of the server, and return its exit status; None if it has to run elsewhere."""
    if SERVER not in os.environ:
        return None
    with _socket() as server:
        try:
            request = {"words": words, "python": sys.prefix, "folder": str(Path.cwd()), "environment": {**os.environ}}
            server.connect(_address())
            if _peer(server)[1] != os.getuid():
                return None
            socket.send_fds(server, [json.dumps(request).encode()], [0, 1, 2])
            if not server.recv(1):
                return None
        except OSError:
            return None

        def pass_on(number: int, frame: FrameType | None) -> None:
            with suppress(OSError):
                server.send(b"%d" % (signal.SIGSTOP if number == signal.SIGTSTP else number))

        for number in _PASSED_ON:
            signal.signal(number, pass_on)
        status = int(server.recv(16) or -signal.SIGKILL)
    if status < 0:
        _die(-status)
    return status


def load(command: str = "") -> None:
    """Import what a command of the rules imports when it starts, and what opening models imports later."""
    from valuedrift.cli.application import JOBS, NO_TELEMETRY, commands

    os.environ.update(NO_TELEMETRY)
    body = commands(JOBS).get(command)
    for step in dis.get_instructions(body) if body else ():
        if step.opname == "IMPORT_NAME":
            import_module(step.argval)
    for name, later in _LATER.items():
        if name in sys.modules:
            import_module(later)


class _Server:
    def __init__(self, listener: socket.socket) -> None:
        self.listener, self.pid, self.environment = listener, os.getpid(), dict(os.environ)
        self.events = selectors.DefaultSelector()
        self.events.register(sys.stdin, selectors.EVENT_READ, self.close)
        self.events.register(listener, selectors.EVENT_READ, self.accept)

    def serve(self) -> list[str]:
        """Fork for each request; return the words of its command in the fork, and nothing once Snakemake has ended."""
        for number in _PASSED_ON:
            signal.signal(number, signal.SIG_IGN)
        words: list[str] = []
        while self.events.get_map() and not words:
            ((key, _), *_) = self.events.select()
            words = key.data() or []
        return words

    def close(self) -> None:
        """Take no more requests; the running forks keep the server until they end."""
        self.events.unregister(sys.stdin)
        self.events.unregister(self.listener)
        self.listener.close()

    def accept(self) -> list[str]:
        """Fork for one request, or refuse it by closing its connection."""
        command, _ = self.listener.accept()
        text, fork = b"", -1
        streams: list[int] = []
        with suppress(OSError):  # the command was killed
            text, streams, _, _ = socket.recv_fds(command, _LARGEST, 3)
        request = json.loads(text or "{}")
        if len(streams) == 3 and self.can_run(request, command):
            with suppress(Exception):  # the fork meets the same error, and tells it
                load(*request["words"][1:2])
            if not _threads() - _HARMLESS:  # a fork lacks the other threads, but has their locks
                gc.freeze()  # what the forks share is never garbage
                with suppress(OSError):  # too many processes
                    fork = os.fork()
        if fork == 0:
            self.become(request, command, streams)
            return list(request["words"])
        for stream in streams:
            os.close(stream)
        if fork < 0:
            command.close()
            return []
        ended = os.pidfd_open(fork)
        self.events.register(ended, selectors.EVENT_READ, partial(self.end, ended, fork, command))
        self.events.register(command, selectors.EVENT_READ, partial(self.pass_on, command, fork))
        with suppress(OSError):  # if the command was killed, its end is read next
            command.send(b"+")
        return []

    def can_run(self, request: dict[str, Any], command: socket.socket) -> bool:
        """Whether the request is this user's, and its command would import the same libraries in the same way."""
        given = {**request["environment"], **{name: self.environment.get(name) for name in _OF_A_JOB}}
        same = {name: value for name, value in given.items() if value is not None} == self.environment
        return same and request["python"] == sys.prefix and _peer(command)[1] == os.getuid()

    def become(self, request: dict[str, Any], command: socket.socket, streams: list[int]) -> None:
        """In a fork: leave the server, and take over the command's streams, variables and folder."""
        os.setpgid(0, 0)  # signals come from the command alone
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != self.pid:  # the server ended before the last line
            os.kill(os.getpid(), signal.SIGKILL)
        for number in _PASSED_ON:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        Path("/proc/self/comm").write_text(_fork_name(_peer(command)[0]))
        for key in self.events.get_map().values():
            os.close(key.fd)
        self.events.close()
        command.close()
        for own, stream in enumerate(streams):
            os.dup2(stream, own)
            os.close(stream)
        for name in _OF_A_JOB:
            os.environ.pop(name, None)
            if name in request["environment"]:
                os.environ[name] = request["environment"][name]
        tempfile.tempdir = None  # of the server's TMPDIR
        os.chdir(request["folder"])
        sys.argv = request["words"]

    def pass_on(self, command: socket.socket, fork: int) -> None:
        """Send a signal to a fork. It is killed when its command has ended before it."""
        number = command.recv(16)
        os.kill(fork, int(number or signal.SIGKILL))
        if not number:
            self.events.unregister(command)

    def end(self, ended: int, fork: int, command: socket.socket) -> None:
        """Tell a command the exit status of its fork."""
        with suppress(OSError):
            command.send(b"%d" % os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1]))
        self.events.unregister(ended)
        os.close(ended)
        if command in self.events.get_map():
            self.events.unregister(command)
        command.close()


def _can_watch() -> bool:
    """Whether the end of a process can be waited for among other events."""
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError):
        return False
    return True


def _threads() -> set[str]:
    """Return the names of this process's threads, apart from the main one."""
    return {
        (task / "comm").read_text().strip()
        for task in Path("/proc/self/task").iterdir()
        if task.name != str(os.getpid())
    }


def _socket() -> socket.socket:
    return socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def _address() -> str:
    """Return the socket's name; it isn't a file, so nothing is left behind."""
    return f"\0{os.environ[SERVER]}"


def _fork_name(command: int) -> str:
    """Return the name of the process that runs a command; at most 15 letters are kept."""
    return f"job {command}"


def _die(number: int) -> None:
    """End this process as the signal ends one that doesn't handle it."""
    if number != signal.SIGKILL:
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _peer(connection: socket.socket) -> tuple[int, int]:
    """Return the process and the user at the other end."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    process, user, _ = struct.unpack("3i", credentials)
    return process, user


def _main(listener: socket.socket) -> None:
    status: Any = 0

    def leave() -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        if status == -signal.SIGINT:
            _die(signal.SIGINT)
        os._exit(status)

    # The first to be registered runs last: what follows would only free memory, which copies what is shared.
    atexit.register(leave)
    if _Server(listener).serve():
        from valuedrift.cli.application import run

        status = 1  # of other exceptions
        try:
            status = run(sys.argv[1:])
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else status
            raise
        except KeyboardInterrupt:
            status = -signal.SIGINT
            raise


if __name__ == "__main__":
    _main(socket.socket(fileno=int(sys.argv[1])))
