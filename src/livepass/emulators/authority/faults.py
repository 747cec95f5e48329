"""What can be wrong with the authority's server: a table, and one fault at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

What = Literal["intermediate", "ocsp", "crl"]

FAULTS: Mapping[str, str] = {
    "down": "nothing listens: connections are refused",
    "cut": "the connection is taken, and closed without an answer",
    "500": "HTTP 500",
    "slow": "the answer comes after SLOW_SECONDS, or when the fault is switched off",
    "html": "HTTP 200 with a web page, as a captive portal answers",
    "garbage": "HTTP 200, the right content type, and bytes that are no DER",
    "redirect": "HTTP 302 to the true answer on the same server, or to where the test says",
    "stale": "a true answer that ran out a month ago (OCSP, CRL)",
    "another": "an answer about another certificate (OCSP), another issuer's list (CRL)",
    "wrong-key": "an answer that a stranger signed (OCSP, CRL)",
    "wrong-responder": "an answer signed with a certificate of the right issuer, but not one for OCSP (OCSP)",
    "try-later": "the OCSP refusal tryLater",
    "wrong-generation": "another generation of the intermediate",
}

SLOW_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault, and which kind of answer it spoils (``None``: every kind). ``target`` is where a redirect leads."""

    name: str
    what: What | None = None
    target: str | None = None

    def __post_init__(self) -> None:
        if self.name not in FAULTS:
            raise ValueError(f"no fault is called {self.name!r}; there are: {', '.join(FAULTS)}")
        if self.name == "down" and self.what is not None:
            raise ValueError("down spoils every kind of answer, since nothing listens; use cut for one kind")
        if self.target is not None and self.name != "redirect":
            raise ValueError(f"only redirect has a target, not {self.name}")

    def spoils(self, what: What) -> bool:
        return self.what is None or self.what == what
