"""Runs a command in a pseudo terminal, presses Ctrl-C when it prints a text, and prints all of its output.

    console.py TEXT SECONDS COMMAND ARGS
"""

import fcntl
import os
import pty
import select
import struct
import sys
import termios
import time

text, limit, command = sys.argv[1].encode(), float(sys.argv[2]), sys.argv[3:]
child, terminal = pty.fork()
if child == 0:
    os.execvp(command[0], command)
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
started, pressed, output = time.monotonic(), False, b""
while time.monotonic() - started < limit:
    if select.select([terminal], [], [], 0.2)[0]:
        try:
            part = os.read(terminal, 4096)
        except OSError:
            part = b""
        if not part:
            break
        output += part
    if not pressed and text in output:
        os.write(terminal, b"\x03")
        pressed = True
else:
    output += b"\nthe command did not end\n"
sys.stdout.buffer.write(output)
