"""Checks of the way to the web service: name, TCP, TLS, HTTP/1.1, and nothing in between."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final

from cryptography import x509

from livepass.doctor.package import lasts
from livepass.doctor.result import NotTested, Outcome, failed, not_tested, passed, warning
from livepass.doctor.visit import Visit
from livepass.doctor.wire import EXPIRED, Silent

RENEWAL: Final = timedelta(days=14)
OLD: Final = frozenset({"SSLv3", "TLSv1", "TLSv1.1"})
PAGES_AT: Final = frozenset({200, 202, 403, 405, 429, 503})
"""Statuses under which bot walls, consent and login pages come. A framework's own 404 or 500 page is no such page."""
_SENT_SELF_SIGNED, _SENT_UNKNOWN_ROOT = 18, 19
_NO_ISSUER = frozenset({2, 20, 21})
_WRONG_NAME = frozenset({62, 64})


def reached(visit: Visit) -> Outcome:
    try:
        found = visit.link.addresses()
        visit.link.reach().close()
    except Silent as error:
        return failed(str(error))
    return passed(f"{visit.link.host} is {', '.join(found[:4])}")


def trusted(visit: Visit) -> Outcome:
    try:
        chain = visit.link.sight().chain
        refused = visit.link.verify()
    except Silent as error:
        if _version(visit) in OLD:
            raise NotTested(str(error)) from error  # NET3 says why
        return failed(str(error))
    if refused is not None:
        return failed(_distrust(visit, refused), refused.verify_message)
    return passed(f"{chain[0].subject.rfc4514_string() or 'leaf'}, {len(chain)} certificates sent")


def _distrust(visit: Visit, refused: ssl.SSLCertVerificationError) -> str:
    """In words, from the chain as it was sent."""
    code, host = refused.verify_code, visit.link.host
    chain = visit.link.sight().chain
    top = chain[-1]
    if code == EXPIRED:
        late = next((each for each in chain if each.not_valid_after_utc < visit.now), chain[0])
        return f"the certificate of {host} {lasts(late.not_valid_after_utc, visit.now)}"
    if code in _WRONG_NAME:
        return f"the certificate is for {', '.join(_names(chain[0])) or 'no host'}, not for {host}"
    if code == _SENT_SELF_SIGNED:
        return f"the certificate of {host} is self-signed"
    if code == _SENT_UNKNOWN_ROOT:
        return f"the chain ends at {top.subject.rfc4514_string()}, which is no public root"
    if code in _NO_ISSUER:
        return (
            f"the chain as sent ends at {top.subject.rfc4514_string()}; its issuer {top.issuer.rfc4514_string()} "
            "was not sent and is no root known here: an intermediate is missing, or the root is not public"
        )
    return f"the certificate of {host} is not trusted: {refused.verify_message}"


def _names(leaf: x509.Certificate) -> list[str]:
    try:
        found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return []
    return [*found.get_values_for_type(x509.DNSName), *map(str, found.get_values_for_type(x509.IPAddress))][:4]


def _version(visit: Visit) -> str:
    try:
        return visit.link.sight().version
    except Silent:
        return ""


def new_enough(visit: Visit) -> Outcome:
    version = visit.sight().version
    return failed(f"the newest that is offered is {version}", version) if version in OLD else passed(version)


def certificate_lasts(visit: Visit) -> Outcome:
    until = visit.sight().chain[0].not_valid_after_utc
    said = lasts(until, visit.now)
    if until < visit.now:
        return not_tested(f"it {said}")  # NET2 says so
    return warning(said, f"{until:%Y-%m-%d}") if until < visit.now + RENEWAL else passed(said)


def speaks_http(visit: Visit) -> Outcome:
    try:
        reply = visit.stranger()
    except Silent as error:
        return failed(str(error))
    return passed(f"HTTP/{reply.version // 10}.{reply.version % 10}")


def stays(visit: Visit) -> Outcome:
    reply = visit.stranger()
    if 300 <= reply.status < 400 and reply.status != 304:
        return failed(f"an ask is answered {reply.status} to {reply.header('Location')[:200]!r}", reply.status)
    return passed(f"an ask is answered {reply.status}, with no Location")


def answered_by_service(visit: Visit) -> Outcome:
    reply = visit.stranger()
    if reply.status in PAGES_AT and reply.media_type in ("text/html", "application/xhtml+xml"):
        return failed(f"an ask is answered {reply.status} with an HTML page", f"{reply.status} {reply.media_type}")
    return passed("no HTML page")


def in_time(visit: Visit) -> Outcome:
    """Made last, when all calls were made."""
    slowest = visit.link.slowest
    said = f"the slowest of {visit.link.sent} answers took {slowest:.1f} s"
    return warning(said, f"{slowest:.1f} s") if slowest > visit.link.bounds.slow else passed(said)


OF_NETWORK: Final[Mapping[str, Callable[[Visit], Outcome]]] = {
    "NET1": reached,
    "NET2": trusted,
    "NET3": new_enough,
    "NET4": certificate_lasts,
    "NET5": speaks_http,
    "NET6": stays,
    "NET7": answered_by_service,
    "NET8": in_time,
}
