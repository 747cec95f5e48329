"""``Livepass`` for code that does not await."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, TypeVar

from livepass.embed.blocking import LoopThread
from livepass.embed.livepass import Livepass

P = ParamSpec("P")
T = TypeVar("T")


def _blocking(
    method: Callable[Concatenate[Livepass, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[SyncLivepass, P], T]:
    def call(self: SyncLivepass, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.thread.run(method(self.asynchronous, *args, **kwargs))

    call.__name__, call.__doc__ = method.__name__, method.__doc__
    return call


class SyncLivepass:
    """As ``Livepass``, from any thread: each method waits for its end. A forked process opens its own."""

    def __init__(self, asynchronous: Livepass) -> None:
        self.asynchronous = asynchronous
        self.thread = LoopThread("livepass")

    upgrade = _blocking(Livepass.upgrade)
    issue = _blocking(Livepass.issue)
    change = _blocking(Livepass.change)
    void = _blocking(Livepass.void)
    erase = _blocking(Livepass.erase)
    preview = _blocking(Livepass.preview)
    pkpass = _blocking(Livepass.pkpass)
    push_now = _blocking(Livepass.push_now)
    why = _blocking(Livepass.why)
    timeline = _blocking(Livepass.timeline)
    share_link = _blocking(Livepass.share_link)
    publish = _blocking(Livepass.publish)
    import_p12 = _blocking(Livepass.import_p12)

    def close(self) -> None:
        """Write what was observed, and close."""
        if self.thread.begun:
            self.thread.run(self.asynchronous.close())
            self.thread.close()
