"""How the second terminal finds the demo that runs in the first: by the word that it leaves in a file."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from livepass.cli.faults import Exit, Fault, unchecked

SECRETS = ("key", "control_secret")
"""Of what is left there, what is for its user alone."""


@contextmanager
def left_word(facts: Mapping[str, Any]) -> Iterator[None]:
    """Leave it for the length of a block, in a new file that only its user can read. Raises ``Fault``."""
    from livepass.cli.demo_world import state_file

    path = state_file()
    try:
        path.unlink(missing_ok=True)
        # Not one that somebody else has put there: it would be theirs to read.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise Fault(f"cannot write {path}: {error.strerror}", hint="remove it, or set TMPDIR") from error
    with os.fdopen(descriptor, "w") as file:
        json.dump(facts, file)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink()


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[Any, dict[str, Any]]]:
    """A client of the running demo's API, and what it left word of. Raises ``Fault`` when none runs."""
    import ssl

    import httpx2

    from livepass.cli.demo_world import PASS_TYPE, state_file

    try:
        facts = json.loads(state_file().read_text()) | {"pass_type": PASS_TYPE}
        context = ssl.create_default_context(cafile=facts["ca_file"])
    except (OSError, ValueError):
        raise unchecked("no demo is running", "livepass demo") from None
    headers = {"Authorization": f"Bearer {facts['key']}"}
    async with httpx2.AsyncClient(base_url=facts["url"], headers=headers, verify=context, trust_env=False) as client:
        try:
            await client.get("/livez")
        except httpx2.TransportError:
            raise unchecked("the demo that ran last is gone", "livepass demo") from None
        yield client, facts


async def control(facts: Mapping[str, Any], method: str, path: str, **body: Any) -> dict[str, Any]:
    """One call of the demo's control port. Raises ``Fault``."""
    import httpx2

    headers = {"Authorization": f"Bearer {facts['control_secret']}"}
    async with httpx2.AsyncClient(headers=headers, trust_env=False, timeout=60) as client:
        try:
            answer = await client.request(method, f"{facts['control']}{path}", json=body or None)
        except httpx2.TransportError:
            raise unchecked("the demo that ran last is gone", "livepass demo") from None
    found: dict[str, Any] = answer.json()
    if answer.status_code != 200:
        raise Fault(str(found.get("error", "the demo refused")), Exit.PROBLEM)
    return found


async def read(client: Any, path: str, **query: Any) -> Any:
    """What the demo's API answers. Raises ``Fault`` for a refusal."""
    from livepass.cli.client import problem

    response = await client.get(path, params=query)
    if response.status_code != 200:
        raise problem(response.status_code, response.content, response.headers.get("content-type", ""))
    return response.json()
