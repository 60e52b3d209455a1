"""Run a terminal program in a pseudo-terminal, press keys, and draw what it shows as a PNG.

pip install pyte
python terminal_picture.py OUT.png --keys 3 n -- wandb leet RUN/wandb
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from pathlib import Path

import matplotlib
import pyte
from PIL import Image, ImageDraw, ImageFont

FRONT, BACK = "#d6dbe0", "#14181d"
NAMED = {
    "black": "#14181d", "red": "#d16969", "green": "#7fb77e", "brown": "#d7ba7d", "blue": "#6aa0d8", "magenta": "#c586c0",
    "cyan": "#5fb3b3", "white": "#d6dbe0",
}  # fmt: skip
DOTS = (
    (0, 0),
    (0, 1),
    (0, 2),
    (1, 0),
    (1, 1),
    (1, 2),
    (0, 3),
    (1, 3),
)  # column and row of each bit of a Braille letter
ANSWERS = {b"\x1b[6n": b"\x1b[1;1R", b"\x1b[c": b"\x1b[?62;22c", b"\x1b]11;?": b"\x1b]11;rgb:1e1e/1e1e/2e2e\x1b\\"}


def shown(command: list[str], keys: list[str], columns: int, lines: int, wait: float) -> pyte.Screen:
    """The screen after the program has started and each key was pressed."""
    screen = pyte.Screen(columns, lines)
    stream = pyte.ByteStream(screen)
    child, terminal = pty.fork()
    if child == 0:
        os.environ.update(TERM="xterm-256color", COLORTERM="truecolor")
        os.execvp(command[0], command)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    try:
        for key in [None, *keys]:
            if key is not None:
                os.write(terminal, key.encode())
            end = time.monotonic() + wait
            while time.monotonic() < end:
                if select.select([terminal], [], [], 0.1)[0]:
                    data = os.read(terminal, 65536)
                    for question, answer in ANSWERS.items():
                        if question in data:
                            os.write(terminal, answer)
                    stream.feed(data)
    finally:
        os.kill(child, signal.SIGTERM)
        os.waitpid(child, 0)
        os.close(terminal)
    return screen


def drawn(screen: pyte.Screen, path: str) -> None:
    """Save the screen as PNG; dots of Braille, which leet draws curves with, are painted as dots."""
    font = ImageFont.truetype(str(Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSansMono.ttf")), 13)
    width, height = 8, 16
    picture = Image.new("RGB", (screen.columns * width, screen.lines * height), BACK)
    draw = ImageDraw.Draw(picture)
    for row in range(screen.lines):
        for column in range(screen.columns):
            cell, x, y = screen.buffer[row][column], column * width, row * height
            front, back = colour(cell.fg, FRONT), colour(cell.bg, BACK)
            if cell.reverse:
                front, back = back, front
            draw.rectangle((x, y, x + width - 1, y + height - 1), fill=back)
            if 0x2800 < ord(cell.data[:1] or " ") <= 0x28FF:
                for bit, (i, j) in enumerate(DOTS):
                    if (ord(cell.data) - 0x2800) >> bit & 1:
                        draw.rectangle((x + 1 + 4 * i, y + 1 + 4 * j, x + 3 + 4 * i, y + 3 + 4 * j), fill=front)
            elif cell.data.strip():
                draw.text((x, y), cell.data, font=font, fill=front)
    picture.quantize(64).save(path, optimize=True)


def colour(name: str, default: str) -> str:
    """A colour of pyte as one of Pillow."""
    if len(name) == 6 and all(c in "0123456789abcdef" for c in name):
        return f"#{name}"
    return NAMED.get(name, default)


def main() -> None:
    """Read the arguments and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out")
    parser.add_argument("--keys", nargs="*", default=[])
    parser.add_argument("--size", default="150x42")
    parser.add_argument("--wait", type=float, default=3.0)
    own = sys.argv[1:]
    at = own.index("--")
    options, command = parser.parse_args(own[:at]), own[at + 1 :]
    columns, lines = map(int, options.size.split("x"))
    screen = shown(command, options.keys, columns, lines, options.wait)
    drawn(screen, options.out)
    print("\n".join(line.rstrip() for line in screen.display))


if __name__ == "__main__":
    main()
