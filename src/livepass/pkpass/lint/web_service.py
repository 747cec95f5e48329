"""Can the pass ever be updated? The address and the token that it carries into the world."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import urlsplit

from livepass.pkpass.fields import SAMPLE_TOKENS, SHORTEST_TOKEN
from livepass.pkpass.lint.problem import Problems, problem

_VISIBLE = re.compile(r"[!-~]+")


def check(document: Mapping[str, object]) -> Problems:
    """webServiceURL and authenticationToken, alone and together."""
    url, token = document.get("webServiceURL"), document.get("authenticationToken")
    if isinstance(url, str):
        yield from _url(url)
        if token is None:
            yield problem(
                "required-key",
                "/authenticationToken",
                "a pass with a webServiceURL needs an authenticationToken",
                f"give it a random one of {SHORTEST_TOKEN} characters or more",
            )
    if isinstance(token, str):
        yield from _token(token, live="webServiceURL" in document)


def _url(url: str) -> Problems:
    fault = _fault(url)
    if fault:
        yield problem(
            "web-service-url",
            "/webServiceURL",
            f"webServiceURL {url[:200]!r} {fault}",
            "write https://host/path; the phone appends /v1/… itself",
        )
    elif url.endswith("/"):
        yield problem(
            "web-service-slash",
            "/webServiceURL",
            "webServiceURL ends with a slash, which some wallets double",
            "drop the slash at the end",
        )


@lru_cache(maxsize=64)
def _fault(url: str) -> str | None:
    """What is wrong with the address, if anything, as the end of a sentence. Most passes of a service have the same."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is no address"
    if not _VISIBLE.fullmatch(url):
        return "holds spaces or characters beyond ASCII"
    if parts.scheme != "https":
        return "must start with https://"
    if not host or parts.username is not None:
        return "must name a host, and no user"
    if "?" in url or "#" in url:
        return "must have no query and no fragment: the phone appends its own"
    if parts.path.rstrip("/").endswith("/v1"):
        return "must not end with /v1: the phone appends that itself"
    return None


def _token(token: str, *, live: bool) -> Problems:
    where = "/authenticationToken"
    if live and len(token) < SHORTEST_TOKEN:
        yield problem(
            "token-length",
            where,
            f"authenticationToken has {len(token)} characters; phones refuse fewer than {SHORTEST_TOKEN}",
            "use a random token of 32 characters or more",
        )
    elif token in SAMPLE_TOKENS:
        yield problem(
            "token-sample",
            where,
            "authenticationToken is the one from Apple's samples, which everybody knows",
            "use a random token",
        )
    elif token and not _VISIBLE.fullmatch(token):
        yield problem(
            "token-alphabet",
            where,
            "authenticationToken holds characters that an HTTP header cannot carry",
            "use letters, digits, hyphens and underscores",
        )
