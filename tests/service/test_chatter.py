"""What is written past the log is heard line by line, stops nobody, and a crash still speaks."""

from __future__ import annotations

import subprocess
import sys

_HEARD = """
import ctypes, os, sys, threading
from service.chatter import Chatter
heard = []
chatter = Chatter(heard.append)
stream = chatter.start()
"""


def run(script: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    """A process that listens to itself; tests of this one's own descriptors would disturb each other."""
    command = [sys.executable, "-c", _HEARD + script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == status, done.stderr
    return done


def test_lines_of_every_kind_are_heard_and_only_the_log_reaches_standard_error() -> None:
    done = run("""
os.write(2, b"from C\\nin two")
os.write(2, b" pieces\\n\\n")
print("from Python", file=sys.stderr)
ctypes.CDLL(None).perror(b"from the C library")
threads = [threading.Thread(target=os.write, args=(2, b"thread %d\\n" % i)) for i in range(20)]
for each in threads: each.start()
for each in threads: each.join()
os.write(2, b"no UTF-8: \\xff, and no end")
print("the log", file=stream, flush=True)
chatter.stop()
print("afterwards", file=sys.stderr)
print(heard)
""")
    heard = eval(done.stdout)  # noqa: S307 - a list of texts that the script above printed
    assert heard[:3] == ["from C", "in two pieces", "from Python"]
    assert heard[3].startswith("from the C library: ")
    assert sorted(heard[4:24]) == sorted(f"thread {number}" for number in range(20))
    assert heard[24:] == [r"no UTF-8: \xff, and no end"]
    assert done.stderr.splitlines() == ["the log", "afterwards"]


def test_who_writes_more_than_is_heard_is_not_stopped() -> None:
    run("""
opened = threading.Event()
chatter._hear = lambda line: opened.wait(30)
for _ in range(100):
    try:
        os.write(2, b"x" * 9_999 + b"\\n")
    except BlockingIOError:
        break
else:
    raise AssertionError("all of it fitted")
opened.set()
chatter.stop()
""")


def test_a_line_without_end_is_divided() -> None:
    done = run("""
for _ in range(100):
    threading.Event().wait(0.001)
    os.write(2, b"x" * 1_000)
chatter.stop()
print(max(map(len, heard)), sum(map(len, heard)))
""")
    longest, total = map(int, done.stdout.split())
    assert longest <= 8 << 10
    assert total > 0


def test_a_crash_has_its_last_words() -> None:
    for death, words in (("ctypes.string_at(0)", "Segmentation fault"), ("os.abort()", "Aborted")):
        done = subprocess.run(
            [sys.executable, "-c", _HEARD + death], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode < 0
        assert f"Fatal Python error: {words}" in done.stderr
