"""The table of breaks: what goes wrong between phones and a service in real life, each by a name.

Rules of this file: a row is one thing that somebody did to a proxy, a certificate, a phone or an account, told in one
sentence. Statuses and bodies are those that such things answer with. What a phone makes of it is ``emulators.iphone``'s
affair, and what the service concludes is the service's.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

from livepass.emulators.between.message import Answer, Call, Request
from livepass.emulators.between.package import signed_by_another, with_wrong_hash
from livepass.emulators.between.proxy import Proxy
from livepass.emulators.between.scene import Break, Where
from livepass.emulators.between.spoiling import (
    EVERY,
    HTML,
    WALL,
    answered,
    apns_down,
    at_apns,
    body,
    both,
    certificate_revoked,
    clock,
    coming,
    cut,
    expired,
    for_phones,
    go_offline,
    go_online,
    going,
    instead,
    of_another_host,
    of_nobody,
    remembered,
    restore,
    shown,
    stalled,
    token_refused,
    updates,
    wipe,
)

REGISTER, UNREGISTER, ASK, FETCH, LOG = Call.REGISTER, Call.UNREGISTER, Call.ASK, Call.FETCH, Call.LOG
YEAR = 365 * 86_400.0


def _listing(change: Callable[[Request, dict[str, Any]], Mapping[str, Any]]) -> Callable[[Request, Answer], Answer]:
    """The list of serials is read and written anew; what cannot be read is left alone."""

    def anew(request: Request, answer: Answer) -> Answer:
        try:
            found = json.loads(answer.body)
        except ValueError:
            return answer
        return replace(answer, body=json.dumps(change(request, found)).encode("utf-8"))

    return anew


def _tag_sent(request: Request) -> str:
    return parse_qs(request.target.partition("?")[2]).get("passesUpdatedSince", ["0"])[0]


def _redirected(request: Request) -> Answer:
    return Answer(301, (("Location", f"https://www.example.com{request.target}"),))


def _half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _transcoded(data: bytes) -> bytes:
    """Bytes taken for Latin-1 text and written as UTF-8."""
    return data.decode("latin-1").encode("utf-8")


def _own_file(proxy: Proxy, request: Request) -> Answer | None:
    return proxy.earlier.get(request.path)


def _other_file(proxy: Proxy, request: Request) -> Answer | None:
    others = [answer for path, answer in proxy.earlier.items() if path != request.path]
    return others[-1] if others else None


BREAKS: tuple[Break, ...] = (
    # ── trip 1: register
    Break(
        "register-202",
        Where.REGISTER,
        "A gateway turns the 201 to a registration into 202.",
        going(REGISTER, change=lambda _, answer: replace(answer, status=202)),
        joining=True,
    ),
    Break(
        "register-401",
        Where.REGISTER,
        "A login proxy demands a login of its own on registrations.",
        answered(REGISTER, status=401),
        joining=True,
    ),
    Break(
        "register-503",
        Where.REGISTER,
        "A proxy is overloaded and answers registrations with 503.",
        answered(REGISTER, status=503),
        joining=True,
    ),
    Break(
        "register-cut",
        Where.REGISTER,
        "A firewall cuts the connection of every registration.",
        cut(REGISTER),
        joining=True,
    ),
    Break(
        "register-body-dropped",
        Where.REGISTER,
        "A proxy drops the body of a POST.",
        coming(REGISTER, change=lambda request: replace(request, body=b"")),
        joining=True,
    ),
    Break(
        "delete-lost",
        Where.REGISTER,
        "Automatic Updates of one pass are switched off, and a proxy lets no DELETE through.",
        both(answered(UNREGISTER, status=200), for_phones(updates(False, most=1), updates(True, most=1))),
    ),
    # ── trip 2: push
    Break("apns-down", Where.PUSH, "Nothing listens where APNs should be.", apns_down),
    Break("apns-cut", Where.PUSH, "A firewall cuts every connection to APNs.", at_apns("cut")),
    Break("apns-stalled", Where.PUSH, "APNs takes pushes and answers none.", at_apns("stall")),
    Break(
        "apns-403",
        Where.PUSH,
        "APNs refuses the certificate of the pass type: it was revoked.",
        at_apns("status:403:BadCertificate"),
    ),
    Break(
        "certificate-revoked",
        Where.PUSH,
        "The certificate of the pass type was revoked, and APNs ends every handshake with it.",
        certificate_revoked,
    ),
    Break("apns-413", Where.PUSH, "APNs calls the request wrong.", at_apns("status:413:PayloadTooLarge")),
    Break("apns-429", Where.PUSH, "APNs calls it too many requests.", at_apns("429")),
    Break("apns-503", Where.PUSH, "APNs is down for maintenance.", at_apns("status:503:ServiceUnavailable")),
    Break("push-dropped", Where.PUSH, "APNs accepts the push, and the phone never gets it.", at_apns("drop-delivery")),
    Break(
        "bad-device-token", Where.PUSH, "APNs does not know the phone's push token.", token_refused("BadDeviceToken")
    ),
    Break(
        "other-topic",
        Where.PUSH,
        "APNs says that the push token belongs to another topic.",
        token_refused("DeviceTokenNotForTopic"),
    ),
    # ── trip 3a: ask
    Break("login-on-ask", Where.ASK, "A login proxy demands a token on the ask.", answered(ASK, status=401)),
    Break("ask-404", Where.ASK, "A route is missing, and the ask is answered 404.", answered(ASK, status=404)),
    Break("ask-503", Where.ASK, "A proxy is overloaded and answers the ask with 503.", answered(ASK, status=503)),
    Break(
        "ask-html",
        Where.ASK,
        "A bot wall answers the ask with its HTML page.",
        answered(ASK, status=200, headers=HTML, text=WALL),
    ),
    Break("ask-cut", Where.ASK, "A firewall cuts the connection of every ask.", cut(ASK)),
    Break("ask-stalled", Where.ASK, "A proxy takes the ask and never answers.", stalled(ASK)),
    Break(
        "ask-cached",
        Where.ASK,
        "A cache in front answers the ask with the 204 of an hour ago.",
        answered(ASK, status=204),
    ),
    Break(
        "ask-query-cut",
        Where.ASK,
        "A proxy cuts the query string off the ask.",
        coming(ASK, change=lambda request: replace(request, target=request.path)),
    ),
    Break("list-truncated", Where.ASK, "A proxy cuts the list of serials short.", going(ASK, change=body(_half))),
    Break(
        "list-gzipped",
        Where.ASK,
        "A proxy compresses the list of serials and does not say so.",
        going(ASK, change=body(gzip.compress)),
    ),
    Break(
        "list-emptied",
        Where.ASK,
        "A filter takes the serials out of the list.",
        going(ASK, change=_listing(lambda _, found: {**found, "serialNumbers": []})),
    ),
    Break(
        "list-to-204",
        Where.ASK,
        "A filter takes the list for empty and answers 204.",
        going(ASK, change=lambda *_: Answer(204)),
    ),
    Break(
        "tag-as-number",
        Where.ASK,
        "A gateway sends lastUpdated as a number.",
        going(ASK, change=_listing(lambda _, found: {**found, "lastUpdated": 1700000000})),
    ),
    Break(
        "tag-stripped",
        Where.ASK,
        "A gateway leaves lastUpdated out of the list.",
        going(ASK, change=_listing(lambda _, found: {"serialNumbers": found["serialNumbers"]})),
    ),
    Break(
        "tag-repeated",
        Where.ASK,
        "A gateway repeats the tag that the phone sent.",
        going(ASK, change=_listing(lambda asked, found: {**found, "lastUpdated": _tag_sent(asked)})),
    ),
    # ── trip 3b: fetch
    Break(
        "authorization-stripped",
        Where.FETCH,
        "A proxy strips the Authorization header.",
        coming(*EVERY, change=lambda request: request.without("authorization")),
    ),
    Break(
        "fetch-401", Where.FETCH, "A login proxy demands a login of its own on the fetch.", answered(FETCH, status=401)
    ),
    Break(
        "fetch-503", Where.FETCH, "A proxy is overloaded and answers the fetch with 503.", answered(FETCH, status=503)
    ),
    Break("fetch-stalled", Where.FETCH, "A proxy takes the fetch and never answers.", stalled(FETCH)),
    Break(
        "fetch-cut",
        Where.FETCH,
        "The connection ends in the middle of the file.",
        going(FETCH, change=lambda _, answer: replace(answer, cut_after=len(answer.body) // 2)),
    ),
    Break(
        "stale-304",
        Where.FETCH,
        "A cache answers the fetch with 304 although the pass changed.",
        answered(FETCH, status=304),
    ),
    Break(
        "stale-file",
        Where.FETCH,
        "A cache answers the fetch with the file from an hour ago.",
        remembered(FETCH, find=_own_file),
    ),
    Break(
        "another-file",
        Where.FETCH,
        "A cache with a bad key serves the file of another pass.",
        remembered(FETCH, find=_other_file),
    ),
    Break(
        "last-modified-stripped",
        Where.FETCH,
        "A proxy strips the Last-Modified header.",
        going(FETCH, change=lambda _, answer: answer.without("last-modified")),
    ),
    # ── the package
    Break(
        "file-html",
        Where.PACKAGE,
        "A bot wall answers the fetch with its HTML page.",
        answered(FETCH, status=200, headers=HTML, text=WALL),
    ),
    Break(
        "file-truncated",
        Where.PACKAGE,
        "A proxy with a size limit sends half of the file.",
        going(FETCH, change=body(_half)),
    ),
    Break(
        "file-gzipped",
        Where.PACKAGE,
        "A proxy compresses the file and does not say so.",
        going(FETCH, change=body(gzip.compress)),
    ),
    Break(
        "file-transcoded",
        Where.PACKAGE,
        "A gateway takes the file for text and writes it in another encoding.",
        going(FETCH, change=body(_transcoded)),
    ),
    Break(
        "file-wrong-hash",
        Where.PACKAGE,
        "A filter writes pass.json anew, and the manifest has the old hash.",
        going(FETCH, change=body(with_wrong_hash)),
    ),
    Break(
        "file-signed-by-another",
        Where.PACKAGE,
        "The file is signed with a certificate of another authority.",
        going(FETCH, change=body(signed_by_another)),
    ),
    # ── what phones say
    Break(
        "log-dropped",
        Where.TESTIMONY,
        "A proxy answers log calls by itself, and passes none on.",
        answered(LOG, status=200),
    ),
    Break(
        "log-204",
        Where.TESTIMONY,
        "A gateway turns the 200 to a log call into 204, and phones repeat it.",
        going(LOG, change=lambda *_: Answer(204)),
    ),
    # ── certificate and address of the web service
    Break("tls-expired", Where.CERTIFICATE, "The certificate of the web service has expired.", shown(expired)),
    Break(
        "tls-other-host",
        Where.CERTIFICATE,
        "The certificate of the web service is for another host.",
        shown(of_another_host),
    ),
    Break(
        "tls-self-signed",
        Where.CERTIFICATE,
        "The certificate of the web service comes from an authority that no phone trusts.",
        shown(of_nobody),
    ),
    Break(
        "redirect",
        Where.CERTIFICATE,
        "The address in webServiceURL redirects to www.",
        instead(*EVERY, answer=_redirected),
    ),
    Break(
        "double-v1",
        Where.CERTIFICATE,
        "A proxy puts a second /v1 into every path.",
        coming(*EVERY, change=lambda request: replace(request, target=request.target.replace("/v1/", "/v1/v1/", 1))),
    ),
    # ── the phone
    Break("phone-offline", Where.PHONE, "The phone is in airplane mode.", for_phones(go_offline, go_online)),
    Break("phone-wiped", Where.PHONE, "The phone was wiped: APNs answers 410.", for_phones(wipe, restore)),
    Break(
        "updates-off",
        Where.PHONE,
        "Automatic Updates were switched off on the back of the pass.",
        for_phones(updates(False), updates(True)),
    ),
    Break("clock-behind", Where.PHONE, "The phone's clock is a year behind.", for_phones(clock(-YEAR), clock(0))),
)

BY_NAME: Mapping[str, Break] = {one.name: one for one in BREAKS}
