"""Two hosts with a network between them that can be cut: network namespaces, of Linux and for root.

    outside ──── a          The phones, APNs and the test itself are outside and reach both hosts all the time.
       │         │
       b ──── between       What a and b say to each other goes through between, where it is cut.

Nothing of it touches the network of the machine: no namespace is joined to that, and every link runs between two of
ours. Code is run in one of them by a thread that has entered it; what that thread starts is in there as well.
"""

from __future__ import annotations

import ctypes
import os
import secrets
import shutil
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal, Self, TypeVar

import pytest

T = TypeVar("T")

Cut = Literal["silent", "unplugged"]
"""``silent``: what is sent is never heard of again, as behind a broken switch. ``unplugged``: host a's own link is
down, so that it is told at once that there is no way.
"""

A: Final = "10.0.1.2"
B: Final = "10.0.2.2"
"""The hosts as they see each other."""
A_SEEN_FROM_OUTSIDE: Final = "10.0.3.2"
B_SEEN_FROM_OUTSIDE: Final = "10.0.4.2"
OUTSIDE: Final = "10.0.3.1"
"""Where both hosts find APNs."""

_LINKS = (
    # one end, its address, the other end, its address
    ("a", A, "between", "10.0.1.1"),
    ("b", B, "between", "10.0.2.1"),
    ("a", A_SEEN_FROM_OUTSIDE, "outside", OUTSIDE),
    ("b", B_SEEN_FROM_OUTSIDE, "outside", "10.0.4.1"),
)
_ROUTES = (
    ("a", B, "10.0.1.1"),
    ("b", A, "10.0.2.1"),
    ("b", OUTSIDE, "10.0.4.1"),
    # The test looks into b's database, also while the hosts do not see each other.
    ("outside", B, B_SEEN_FROM_OUTSIDE),
)
_CLONE_NEWNET = 0x40000000


class NoNamespaces(Exception):
    """This machine does not let us make network namespaces. The message says why."""


class Network:
    """The four namespaces and their links. Close it, whatever happened."""

    def __init__(self) -> None:
        self._suffix = secrets.token_hex(3)
        self._names = {role: f"livepass-{self._suffix}-{role}" for role in ("a", "b", "between", "outside")}

    @classmethod
    def make(cls) -> Self:
        """Raises ``NoNamespaces`` where that cannot be done."""
        if os.geteuid() != 0:
            raise NoNamespaces("network namespaces are for root")
        if shutil.which("ip") is None:
            raise NoNamespaces("there is no ip command: install iproute2")
        network = cls()
        try:
            network._build()
        except subprocess.CalledProcessError as error:
            network.close()
            raise NoNamespaces(f"{' '.join(error.cmd)}: {error.stderr.strip()}") from error
        except BaseException:
            network.close()
            raise
        return network

    def _build(self) -> None:
        for name in self._names.values():
            _ip("netns", "add", name)
            _ip("-n", name, "link", "set", "lo", "up")
        for number, (one, address, other, far) in enumerate(_LINKS):
            # The names are long enough to be alone on the machine for the moment in which both ends have one.
            ends = [(one, f"lp{self._suffix}{number}x", address), (other, f"lp{self._suffix}{number}y", far)]
            (_, near_end, _), (_, far_end, _) = ends
            near = ("netns", self._names[one])
            _ip("link", "add", near_end, *near, "type", "veth", "peer", "name", far_end, "netns", self._names[other])
            for role, end, at in ends:
                _ip("-n", self._names[role], "addr", "add", f"{at}/24", "dev", end)
                _ip("-n", self._names[role], "link", "set", end, "up")
        for role, target, way in _ROUTES:
            _ip("-n", self._names[role], "route", "add", target, "via", way)
        self.run("between", lambda: Path("/proc/sys/net/ipv4/ip_forward").write_text("1"))

    def command(self, role: str, *arguments: str) -> tuple[str, ...]:
        """A command line as it is run on that host."""
        return ("ip", "netns", "exec", self._names[role], *arguments)

    def start(self, role: str, work: Callable[[], T]) -> Future[T]:
        """Begin that in there, in a thread of its own."""
        outcome: Future[T] = Future()

        def inside() -> None:
            try:
                _enter(self._names[role])
                outcome.set_result(work())
            except BaseException as why:
                outcome.set_exception(why)

        threading.Thread(target=inside, name=f"in-{role}").start()
        return outcome

    def run(self, role: str, work: Callable[[], T]) -> T:
        """Do that in there, to its end; what it raises is raised here."""
        return self.start(role, work).result()

    def cut(self, how: Cut) -> None:
        """From now on the hosts do not hear each other."""
        if how == "unplugged":
            _ip("-n", self._names["a"], "link", "set", f"lp{self._suffix}0x", "down")
            return
        for host in (A, B):
            _ip("-n", self._names["between"], "route", "add", "blackhole", host)

    def heal(self, how: Cut) -> None:
        """Undo that cut."""
        if how == "unplugged":
            _ip("-n", self._names["a"], "link", "set", f"lp{self._suffix}0x", "up")
            # The route went with the link.
            _ip("-n", self._names["a"], "route", "add", B, "via", "10.0.1.1")
            return
        for host in (A, B):
            _ip("-n", self._names["between"], "route", "del", "blackhole", host)

    def close(self) -> None:
        """Remove the namespaces, and the links with them. Whoever is still inside one keeps it until it ends."""
        for name in self._names.values():
            if Path("/run/netns", name).exists():
                with suppress(subprocess.CalledProcessError):
                    _ip("netns", "del", name)


def make() -> Network:
    """``Network.make()``, for tests: skipped where that cannot be done. As root in CI it must be possible."""
    try:
        return Network.make()
    except NoNamespaces as why:
        if os.environ.get("CI") == "true" and os.geteuid() == 0:
            pytest.fail(f"no network of two hosts: {why}", pytrace=False)
        pytest.skip(f"no network of two hosts: {why}")


def _ip(*arguments: str) -> None:
    subprocess.run(("ip", *arguments), check=True, capture_output=True, text=True)


def _enter(name: str) -> None:
    """Move this thread, and no other, into a namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/run/netns", name).open("rb") as file:
        if libc.setns(file.fileno(), _CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), name)
