"""Runs AWS's Runtime Interface Emulator on free ports, until standard input is closed, at the latest by the end of the test.

  rie.py EMULATOR BOOTSTRAP TIMEOUT_S      prints "ready PORT" once the emulator accepts connections, or its output if it fails
"""
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

emulator, bootstrap, timeout_s = sys.argv[1], sys.argv[2], int(sys.argv[3])


def free_ports(count):
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [probe.getsockname()[1] for probe in probes]


def responds(port):
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    return False


port, api = free_ports(2)
with tempfile.TemporaryFile() as log:
    command = [emulator, "--runtime-interface-emulator-address", f"127.0.0.1:{port}", "--runtime-api-address", f"127.0.0.1:{api}", bootstrap]
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    try:
        deadline = time.monotonic() + timeout_s
        while child.poll() is None and time.monotonic() < deadline and not responds(port):
            time.sleep(0.01)
        if child.poll() is None and responds(port):
            print(f"ready {port}", flush=True)
            sys.stdin.read()
        else:
            log.seek(0)
            print(log.read().decode(errors="replace"), flush=True)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
