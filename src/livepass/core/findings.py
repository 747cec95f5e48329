"""The catalogue of verdicts: what may be said of a pass, who must act, and what they do. Data only.

Numbers follow the round trips: LP0xx states, LP1xx register, LP2xx push, LP30x ask, LP35x fetch, LP4xx the change and
the package, LP5xx certificates. A number is never given to another verdict. A sentence says no more than was seen:
"accepted by APNs", never "delivered"; "stopped listening", never "removed".
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from livepass.core.frozen import frozen
from livepass.core.timeline import Trip
from livepass.core.trip2_push import DAY, HOUR, MINUTE


class Who(StrEnum):
    """Who must act."""

    NOBODY = "nobody"
    ISSUER = "the issuer"
    OPERATOR = "the operator of the service"
    PROXY = "whoever runs the proxy"
    HOLDER = "the holder of the pass"


@frozen
class Finding:
    """A verdict as it may be given. ``sentence`` and ``remedy`` have placeholders, which ``why`` fills in.

    ``problem``: whether somebody must do something, or the pass will stay as it is. ``again``: after how long (ms)
    another look may show more; ``None``: not by waiting.
    """

    code: str
    name: str
    trip: Trip | None
    sentence: str
    who: Who
    remedy: str
    again: int | None = None
    problem: bool = True


_TIMELINE = "livepass pass timeline {pass}"
_ROUTE = (
    "Let the calls of phones through to livepass unchanged: no login, no redirect, no cache, no rewriting of the body."
)
_ADDRESS = "Let that address lead here for as long as passes name it; a pass keeps the address that it was made with."
_SLASH_V1 = "Take the /v1 from the end of the address that the pass names, or from what a proxy puts before the path."
_WAIT = "Nothing: the phone is pushed again by itself."

# The letters are those of the first draft of this catalogue.
FINDINGS: tuple[Finding, ...] = (
    # ── states
    # N0
    Finding("LP000", "current", None, "{phone} was served the newest version.", Who.NOBODY, "Nothing.", problem=False),
    # N1
    Finding(
        "LP001",
        "in flight",
        None,
        "{phone} is on its way to the newest version: it waits for the {trip}.",
        Who.NOBODY,
        "Nothing: look again.",
        MINUTE,
        problem=False,
    ),
    # N2
    Finding(
        "LP002",
        "nobody has it",
        Trip.REGISTER,
        "No phone has registered this pass, as far as events are kept.",
        Who.NOBODY,
        "Add the pass to a phone: livepass pass build {pass} -o FILE.pkpass",
        problem=False,
    ),
    # N3
    Finding(
        "LP003",
        "unverified",
        None,
        "{phone} registered after the last change and has fetched nothing since: which version it holds was not seen.",
        Who.NOBODY,
        "Nothing: the next change shows it.",
        HOUR,
        problem=False,
    ),
    # R2
    Finding(
        "LP004",
        "voided",
        Trip.CHANGE,
        "The pass is voided: Wallet shows it greyed out.",
        Who.NOBODY,
        "If it should be valid again: livepass pass issue {pass} …",
        problem=False,
    ),
    # R2
    Finding(
        "LP005",
        "expired",
        Trip.CHANGE,
        "The pass has expired ({when}): Wallet keeps it among the expired passes.",
        Who.NOBODY,
        "If it should be valid still, give it a later expirationDate: livepass pass issue {pass} …",
        problem=False,
    ),
    Finding(
        "LP006",
        "fetched, not registered",
        Trip.REGISTER,
        "The pass is fetched with its token, and no phone has registered it: a wallet that polls, or a phone that was "
        "forgotten or turned off updates.",
        Who.NOBODY,
        "Nothing for a wallet that polls. On an iPhone: switch Automatic Updates off and on again on the pass's back.",
        problem=False,
    ),
    # ── trip 1: register
    # I2
    Finding(
        "LP101",
        "registration refused",
        Trip.REGISTER,
        "The last attempt to register was answered {status} ({reason}), and no phone follows the pass.",
        Who.ISSUER,
        "The token in the phone's copy is not this pass's: hand out a copy built now with "
        "livepass pass build {pass} -o FILE.pkpass",
    ),
    # I3
    Finding(
        "LP102",
        "stopped listening",
        Trip.REGISTER,
        "The last phone stopped listening: the pass was taken off it, or its automatic updates were switched off.",
        Who.HOLDER,
        "If the pass is still in Wallet, switch on Automatic Updates on its back.",
    ),
    # P7
    Finding(
        "LP103",
        "stopped listening after a burst",
        Trip.REGISTER,
        "The last phone stopped listening after {count} pushes within an hour: Wallet may have offered to switch off "
        "updates.",
        Who.ISSUER,
        "Change less often, or leave pushes to the budget (push=auto). The holder can switch on Automatic Updates.",
    ),
    Finding(
        "LP104",
        "too many phones",
        Trip.REGISTER,
        "{phones} phones follow this pass, where {cap} are expected at most: it was shared, or device ids are made up. "
        "Phones that never asked are forgotten ({never_asked} so far).",
        Who.ISSUER,
        "Issue a pass to each holder instead of one for all.",
    ),
    Finding(
        "LP105",
        "superseded",
        Trip.REGISTER,
        "Only used-up device ids are left: the phone registered under a newer one, which has left since.",
        Who.HOLDER,
        "If the pass is still in Wallet, switch Automatic Updates off and on again on its back.",
    ),
    Finding(
        "LP106",
        "registrations lost",
        Trip.REGISTER,
        "No phone follows the pass, but the database went back in time, and since then {count} phones that it does not "
        "know asked with tags that we gave: registrations were lost, perhaps those of this pass.",
        Who.OPERATOR,
        "Replay the registration journal: livepass db recover. Whose phones are missing: livepass db lost",
    ),
    # I5
    Finding(
        "LP107",
        "pass calls another address",
        Trip.REGISTER,
        "The pass calls {url}, and this service says that it is {ours}: no phone has registered here.",
        Who.OPERATOR,
        _ADDRESS,
    ),
    Finding(
        "LP108",
        "registration answered otherwise on its way",
        Trip.REGISTER,
        "A phone says that its registration failed, although the service did not refuse it: “{line}”.",
        Who.PROXY,
        _ROUTE,
    ),
    Finding(
        "LP109",
        "registration spoiled on its way",
        Trip.REGISTER,
        "The last attempt to register came without what every phone sends, and was answered {status} ({reason}).",
        Who.PROXY,
        _ROUTE,
    ),
    Finding(
        "LP110",
        "registered at /v1/v1",
        Trip.REGISTER,
        "A phone tried to register with /v1 twice in the path, and was answered 404: phones add /v1 themselves.",
        Who.PROXY,
        _SLASH_V1,
    ),
    Finding(
        "LP111",
        "registered at the new address",
        Trip.REGISTER,
        "{phone} took the pass that names {url}, and the pass was registered anew since: this registration is the one "
        "from before, and nobody asks under it any more.",
        Who.NOBODY,
        "Nothing: it ends with a DELETE, or when APNs says that its push token is no longer one.",
        problem=False,
    ),
    Finding(
        "LP112",
        "not registered at the new address",
        Trip.REGISTER,
        "{phone} took the pass that names {url}, and nobody has registered the pass there since.",
        Who.OPERATOR,
        "See whether phones reach the new address: livepass doctor FILE.pkpass --register",
        HOUR,
    ),
    # ── trip 2: push
    # A3, P1
    Finding(
        "LP201",
        "no worker",
        Trip.PUSH,
        "{phone} is not pushed: no process that pushes was heard of for a minute.",
        Who.OPERATOR,
        "Start one: livepass worker",
        MINUTE,
    ),
    # P2
    Finding(
        "LP202",
        "APNs refuses the certificate or topic",
        Trip.PUSH,
        "{phone} is not pushed: APNs refused the certificate of this pass type ({reason}).",
        Who.OPERATOR,
        "Import a valid certificate of this pass type: livepass cert import FILE.p12 --password-file FILE",
        5 * MINUTE,
    ),
    # P4
    Finding(
        "LP203",
        "push token no longer valid",
        Trip.PUSH,
        "{phone} cannot be reached: APNs says that its push token is no longer valid ({reason}).",
        Who.HOLDER,
        "If the pass is still in Wallet, open it and pull down, or switch Automatic Updates off and on again.",
    ),
    # P5
    Finding(
        "LP204",
        "push token of another topic",
        Trip.PUSH,
        "{phone} cannot be reached: APNs says that its push token belongs to another topic ({reason}).",
        Who.OPERATOR,
        "See which certificate is live: livepass cert list",
    ),
    # P3
    Finding(
        "LP205",
        "bad push token",
        Trip.PUSH,
        "{phone} cannot be reached: APNs does not know its push token ({reason}).",
        Who.OPERATOR,
        "Passes use Apple's production servers: see that LIVEPASS_APNS_URL names no sandbox.",
    ),
    # P6
    Finding(
        "LP206",
        "APNs out of reach",
        Trip.PUSH,
        "{phone} is not pushed: no answer came from APNs ({reason}).",
        Who.OPERATOR,
        "Let the service reach api.push.apple.com on port 443. It tries again by itself.",
        15 * MINUTE,
    ),
    # P6
    Finding(
        "LP207",
        "APNs asks for patience",
        Trip.PUSH,
        "{phone} is not pushed yet: APNs answered {status} ({reason}), and it is tried again.",
        Who.NOBODY,
        "Nothing: it is tried again by itself.",
        15 * MINUTE,
        problem=False,
    ),
    # P9
    Finding(
        "LP208",
        "held by the budget",
        Trip.PUSH,
        "{phone} was pushed so often that the next push is held back, or Wallet may switch updates off.",
        Who.NOBODY,
        "Nothing; what cannot wait: livepass pass push {pass}",
        problem=False,
    ),
    Finding(
        "LP209",
        "APNs refuses the request",
        Trip.PUSH,
        "{phone} is not pushed: APNs called our request wrong ({status} {reason}).",
        Who.OPERATOR,
        f"Report it, with the output of {_TIMELINE} --json",
        DAY,
    ),
    Finding(
        "LP210",
        "push overdue",
        Trip.PUSH,
        "{phone} is owed a push that should have gone by now, although a process that pushes is running.",
        Who.OPERATOR,
        "See what the processes are busy with: livepass status",
        MINUTE,
    ),
    Finding(
        "LP211",
        "no push is owed",
        Trip.PUSH,
        "{phone} is owed no push for the last change: it was made without pushing.",
        Who.ISSUER,
        "Nothing if that was meant; else change it again with push=auto.",
    ),
    Finding(
        "LP212",
        "APNs refuses the key",
        Trip.PUSH,
        "{phone} is not pushed: APNs key {key}, which pushes for this pass type, was refused: {reason}{means}.",
        Who.OPERATOR,
        "{do}. Or push with the certificate: {back}",
        5 * MINUTE,
    ),
    # ── trip 3a: ask
    # Q0
    Finding(
        "LP301",
        "not asked yet",
        Trip.ASK,
        "APNs accepted a push for {phone}, and the phone has not asked since. It may be off, offline or saving power.",
        Who.NOBODY,
        _WAIT,
        HOUR,
        problem=False,
    ),
    # Q1
    Finding(
        "LP302",
        "nobody asks",
        Trip.ASK,
        "APNs accepted pushes for {pushed} phones in the same hour, and none has asked since.",
        Who.PROXY,
        f"{_ROUTE} The certificate of the web service must be valid for phones.",
        15 * MINUTE,
    ),
    # Q2
    Finding(
        "LP303",
        "ask refused",
        Trip.ASK,
        "{phone} says that its question what changed was refused: “{line}”.",
        Who.PROXY,
        _ROUTE,
    ),
    # Q3
    Finding(
        "LP304",
        "answer malformed",
        Trip.ASK,
        "{phone} says that the answer to its question what changed was malformed: “{line}”.",
        Who.PROXY,
        _ROUTE,
    ),
    # Q4
    Finding(
        "LP305",
        "tag lost or repeated",
        Trip.ASK,
        "{phone} says that the answer to its question what changed had no tag, or the one it had sent: “{line}”.",
        Who.PROXY,
        _ROUTE,
    ),
    # Q4
    Finding(
        "LP306",
        "history restarted",
        Trip.ASK,
        "The database went back in time ({reason}), so every phone is told everything anew, and {phone} has not asked "
        "since.",
        Who.OPERATOR,
        "Nothing for this phone: it is pushed again by itself. See what was lost: livepass db lost",
        HOUR,
        problem=False,
    ),
    # Q5
    Finding(
        "LP307",
        "told of a pass it does not follow",
        Trip.ASK,
        "{phone} says that it was told of a pass that it does not follow: “{line}”.",
        Who.HOLDER,
        "If the pass is still in Wallet, switch Automatic Updates off and on again on its back.",
    ),
    # P8
    Finding(
        "LP308",
        "list lost on its way",
        Trip.ASK,
        "{phone} says that it asked and was told of nothing, although there is something to tell: “{line}”.",
        Who.PROXY,
        _ROUTE,
    ),
    # Q4
    Finding(
        "LP309",
        "tag does not come back",
        Trip.ASK,
        "{phone} was given a tag with a list, took the pass that was on it, and asks without any tag all the same.",
        Who.PROXY,
        f"{_ROUTE} The query string of the ask must come through.",
    ),
    Finding(
        "LP310",
        "asked at /v1/v1",
        Trip.ASK,
        "{phone} called with /v1 twice in the path, and was answered 404: phones add /v1 themselves.",
        Who.PROXY,
        _SLASH_V1,
    ),
    # I5
    Finding(
        "LP311",
        "asks go to another address",
        Trip.ASK,
        "{phone} has a pass that calls {url}, and this service says that it is {ours}: no ask has followed the push.",
        Who.OPERATOR,
        _ADDRESS,
    ),
    Finding(
        "LP312",
        "ask redirected",
        Trip.ASK,
        "{phone} says that its question what changed was answered with a redirect: “{line}”.",
        Who.PROXY,
        "Answer at the address that the pass names, or issue passes with the address that is redirected to.",
    ),
    # ── trip 3b: fetch
    # F1
    Finding(
        "LP351",
        "fetch refused",
        Trip.FETCH,
        "{phone} was told of the change, and a fetch of this pass was answered {status}: its token was wrong.",
        Who.ISSUER,
        "A token must never change while a phone may hold the pass: hand out a copy built now with "
        "livepass pass build {pass} -o FILE.pkpass",
    ),
    # F5
    Finding(
        "LP352",
        "asked, did not fetch",
        Trip.FETCH,
        "{phone} was told of the change and has not fetched it.",
        Who.OPERATOR,
        "Nothing at first: it is told again by itself. If it goes on, see what reaches the service: " + _TIMELINE,
        HOUR,
    ),
    # F4
    Finding(
        "LP353",
        "phone rejects the pass",
        Trip.FETCH,
        "{phone} says that the pass it fetched is invalid: “{line}”.",
        Who.ISSUER,
        "livepass pass build {pass} -o FILE.pkpass, then livepass pass verify FILE.pkpass and livepass pass lint "
        "FILE.pkpass. If those find nothing, something between changes the answer.",
    ),
    # F4
    Finding(
        "LP354",
        "another pass arrived",
        Trip.FETCH,
        "{phone} says that it got another pass than it asked for: “{line}”.",
        Who.PROXY,
        _ROUTE,
    ),
    # F3
    Finding(
        "LP355",
        "told, and found nothing new",
        Trip.FETCH,
        "{phone} says that it was told of a change and got the same pass: “{line}”.",
        Who.PROXY,
        _ROUTE,
    ),
    # F2
    Finding(
        "LP357",
        "Last-Modified lost",
        Trip.FETCH,
        "{phone} says that the answer to its fetch had no Last-Modified: “{line}”.",
        Who.PROXY,
        _ROUTE,
    ),
    # A2, C1
    Finding(
        "LP358",
        "pass cannot be built",
        Trip.FETCH,
        "{phone} was told of the change, and its fetch was answered {status}: {reason}.",
        Who.OPERATOR,
        "See the live certificate: livepass cert list",
    ),
    # F1
    Finding(
        "LP359",
        "fetch answered otherwise on its way",
        Trip.FETCH,
        "{phone} says that its fetch failed: “{line}”.",
        Who.PROXY,
        _ROUTE,
    ),
    Finding(
        "LP360",
        "token lost on its way",
        Trip.FETCH,
        "{phone} was told of the change, and a fetch of this pass came without any token: it was answered {status}.",
        Who.PROXY,
        _ROUTE,
    ),
    # F6
    Finding(
        "LP361",
        "fetched again and again",
        Trip.FETCH,
        "{phone} was sent the newest version {count} times, and came each time with an older one: it does not arrive.",
        Who.PROXY,
        f"{_ROUTE} Let answers be as large and as slow as they are.",
        15 * MINUTE,
    ),
    Finding(
        "LP362",
        "fetch redirected",
        Trip.FETCH,
        "{phone} says that its fetch was answered with a redirect: “{line}”.",
        Who.PROXY,
        "Answer at the address that the pass names, or issue passes with the address that is redirected to.",
    ),
    # ── the change and the package
    # A1
    Finding(
        "LP401",
        "unchanged",
        Trip.CHANGE,
        "The last change did not change the pass: every file came out the same, so no phone is told.",
        Who.ISSUER,
        "See what would change: livepass pass set {pass} key=value --dry-run",
        problem=False,
    ),
    # A2
    Finding(
        "LP402",
        "template refused",
        Trip.CHANGE,
        "The pass could not follow the newest revision of its template: {reason}.",
        Who.ISSUER,
        "Mend it and import it again: livepass template import FOLDER",
    ),
    # R1
    Finding(
        "LP403",
        "changed where no field shows it",
        Trip.CHANGE,
        "The last change gave no field another value: what differs is an image, a translation, or what Wallet does not "
        "show.",
        Who.ISSUER,
        "See what was changed: livepass pass timeline {pass}",
        problem=False,
    ),
    # R1
    Finding(
        "LP404",
        "changed without a message",
        Trip.CHANGE,
        "The last change puts nothing on the lock screen: {reason}.",
        Who.ISSUER,
        'If holders should notice, give the field a changeMessage with %@, as in "You have %@ points".',
        problem=False,
    ),
    # R1
    Finding(
        "LP405",
        "a general line, no message",
        Trip.CHANGE,
        "Wallet is reported to show one general line for the last change, and not your words: {reason}.",
        Who.ISSUER,
        "Change one field with a changeMessage at a time, and write %@ where the new value goes.",
        problem=False,
    ),
    # ── certificates
    Finding(
        "LP501",
        "no certificate",
        Trip.CERTIFICATE,
        "The pass type has no live certificate: no pass is signed, and no phone is pushed with one.",
        Who.OPERATOR,
        "livepass cert import FILE.p12 --password-file FILE",
    ),
    # C1
    Finding(
        "LP502",
        "certificate expired",
        Trip.CERTIFICATE,
        "The certificate of the pass type has expired: no pass is signed, and no phone is pushed with it. Phones still "
        "register and ask, changes are kept, and passes on phones stay as they are.",
        Who.OPERATOR,
        "{do}; livepass cert plan shows what stops and what goes on.",
    ),
    # C2
    Finding(
        "LP503",
        "certificate expires soon",
        Trip.CERTIFICATE,
        "The certificate of the pass type expires in {days} days.",
        Who.OPERATOR,
        "{do}; livepass cert plan shows what stops when.",
        DAY,
        problem=False,
    ),
    Finding(
        "LP504",
        "NFC capability lost",
        Trip.CERTIFICATE,
        "The pass has an nfc key, and the live certificate may not sign NFC passes: phones refuse the next build.",
        Who.OPERATOR,
        "Go back to the one before: livepass cert rollback ID; or import one with NFC, prove and promote it.",
    ),
    Finding(
        "LP505",
        "certificate revoked",
        Trip.CERTIFICATE,
        "The certificate of the pass type is revoked, and no other is live: no pass is signed, and no phone is pushed "
        "with it. Phones still register and ask, and changes are kept.",
        Who.OPERATOR,
        "{do}; livepass cert plan shows what stops and what goes on.",
    ),
    Finding(
        "LP506",
        "certificate unsound",
        Trip.CERTIFICATE,
        "The certificate of the pass type failed its last test signature: {reason}.",
        Who.OPERATOR,
        "{do}; livepass cert check --now signs another one.",
    ),
)

BY_CODE: Mapping[str, Finding] = {finding.code: finding for finding in FINDINGS}
