"""The table of checks: what is looked at, what phones accept, why it matters and what to do. Data only.

An id is never given to another check. ``expected`` says what phones accept (by Apple's pages, or as observed), not how
our own service does it: a check that only livepass could pass would be a wrong check. ``breaks`` names what goes wrong
on phones when the check fails; ``needs`` the checks without which this one would say nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

PAGE: Final = "docs/reference/doctor-checks.md"


class Group(StrEnum):
    """The sections of a report, in their order."""

    PACKAGE = "Package"
    SIGNATURE = "Signature"
    CERTIFICATE = "Certificate"
    DOCUMENT = "pass.json"
    NETWORK = "Network"
    SERVICE = "Web service"
    PUSH = "Push"
    SELF = "Installation"


Breaks = Literal["add", "register", "update", "push"]
"""What stops on phones: adding the pass, registering for it, taking updates, being woken."""


@dataclass(frozen=True, slots=True)
class Check:
    """One row. ``severity`` is the worst that it can say. ``asks`` names the option without which it is not made."""

    id: str
    group: Group
    title: str
    severity: Literal["failed", "warning"]
    expected: str
    remedy: str
    why: str
    breaks: tuple[Breaks, ...] = ()
    needs: tuple[str, ...] = ()
    asks: str = ""

    @property
    def docs(self) -> str:
        """Where more is said."""
        return f"{PAGE}#{self.id.lower()}"


_ADD: tuple[Breaks, ...] = ("add", "update")
_ALL: tuple[Breaks, ...] = ("register", "update")
_LIVE = ("NET5", "NET6", "NET7")
"""Without these no answer comes from the web service itself. Whether TLS lets us call is for the call itself to say."""
_P, _S, _C, _D = Group.PACKAGE, Group.SIGNATURE, Group.CERTIFICATE, Group.DOCUMENT
_N, _W, _A, _O = Group.NETWORK, Group.SERVICE, Group.PUSH, Group.SELF
_REBUILD = "build the package again with a tool that writes plain zip files"
_SIGN = "sign manifest.json again: detached CMS with signing time and the WWDR intermediate"

# fmt: off
CHECKS: Final[tuple[Check, ...]] = (
    # ── the file
    Check("PKG1", _P, "The file is a zip archive that can be opened safely", "failed",
          "an ordinary zip of at most 10 MiB: no links, no encryption, nothing hidden between its entries",
          _REBUILD, "a phone refuses the pass without saying why", _ADD),
    Check("PKG2", _P, "pass.json, manifest.json and signature are at the top", "failed",
          "the three files, in no folder", "zip the files themselves, not the folder around them",
          "a phone refuses the pass", _ADD, ("PKG1",)),
    Check("PKG3", _P, "pass.json is UTF-8 JSON", "failed", "one JSON object in UTF-8, each key once",
          "write it with a JSON library", "a phone refuses the pass", _ADD, ("PKG2",)),
    Check("PKG4", _P, "The manifest lists every file with its SHA-1", "failed",
          "all files but manifest.json and signature, each with the SHA-1 of its bytes, and nothing else",
          "make the manifest last, from the bytes that are zipped", "a phone refuses the pass", _ADD, ("PKG2",)),
    Check("PKG5", _P, "There is an icon in the sizes that phones show", "failed",
          "icon.png, with icon@2x.png or icon@3x.png", "add icon.png, icon@2x.png and icon@3x.png",
          "without icon.png a phone refuses the pass; with it alone the lock screen is blurred", _ADD, ("PKG1",)),
    Check("PKG6", _P, "Images and texts are what their names say, and nothing else is there", "warning",
          "PNG images, pass.strings in UTF-16 or UTF-8, localisations in xx.lproj, no leftovers of desktops",
          "export images as PNG and remove what Wallet does not know",
          "a phone shows blanks, or ignores the file", (), ("PKG1",)),
    Check("SIG1", _S, "The signature is a detached CMS over this manifest", "failed",
          "a PKCS #7 signature with content type, message digest and signing time over manifest.json", _SIGN,
          "a phone refuses the pass", _ADD, ("PKG2",)),
    Check("SIG2", _S, "It holds the intermediate that issued its certificate", "failed",
          "the WWDR certificate of the generation that the leaf names", _SIGN,
          "a phone cannot build the chain, and refuses the pass", _ADD, ("SIG1",)),
    Check("SIG3", _S, "Its certificate is a Pass Type ID certificate", "failed",
          "pass type marker equal to the UID, the usage for signing passes, RSA of 2048 bits or more",
          "use the certificate exactly as Apple's portal issued it, its name field left empty",
          "a phone refuses the pass", _ADD, ("SIG2",)),
    Check("SIG4", _S, "The chain ends at Apple's root", "failed",
          "an intermediate of Apple Root CA (or of --ca-file)", "get the certificate from Apple's portal",
          "a phone takes no other root", _ADD, ("SIG2",)),
    Check("SIG5", _S, "Certificates were valid at the signing time", "failed",
          "a signing time inside the validity of leaf and intermediate, and not in the future",
          "set the signer's clock, or sign with the certificate that is valid now",
          "a phone judges the chain at the signing time", _ADD, ("SIG2",)),
    Check("SIG6", _S, "The certificate is for this pass type", "failed", "UID equal to passTypeIdentifier",
          "put the certificate's pass type into pass.json, or sign with the other certificate",
          "a phone refuses the pass", _ADD, ("SIG1", "PKG3")),
    Check("SIG7", _S, "The certificate is of this team", "failed", "OU equal to teamIdentifier",
          "put the certificate's team into pass.json, or sign with the other certificate",
          "a phone refuses the pass", _ADD, ("SIG1", "PKG3")),
    Check("SIG8", _S, "The pass is an issuer's", "failed", "a passTypeIdentifier that does not start with userpass.",
          "issue the pass under a Pass Type ID of your own",
          "a pass that a person made on a phone is never updated", ("update",), ("PKG3",)),
    Check("CRT1", _C, "The certificate that signed it lasts", "warning", "valid for 30 days or more",
          "get the next certificate from Apple's portal and sign with it from now on",
          "passes on phones stay valid, but no new one and no update can be signed", (), ("SIG1",)),
    Check("CRT2", _C, "The .p12 is for the same pass type and team", "failed",
          "a key that belongs to its certificate; UID and OU of the pass", "export the certificate of this pass type",
          "updates signed with it are refused, and pushes have the wrong topic", ("update", "push"),
          ("PKG3",), "--p12"),
    Check("CRT3", _C, "The certificate in the .p12 lasts", "failed", "valid now, and for 30 days or more",
          "get the next certificate from Apple's portal", "nothing can be signed or pushed with it",
          ("add", "update", "push"), ("CRT2",), "--p12"),
    Check("JSN1", _D, "Required keys are there, and values have their types", "failed",
          "formatVersion 1, passTypeIdentifier, serialNumber, teamIdentifier, organizationName, description",
          "see the JSON pointer in the evidence", "a phone refuses the pass", _ADD, ("PKG3",)),
    Check("JSN2", _D, "It has one style", "failed", "exactly one of the classic styles, or posterGeneric",
          "keep one style; a boarding pass needs a transitType", "a phone refuses the pass", _ADD, ("PKG3",)),
    Check("JSN3", _D, "Fields have unique keys and values that fit", "failed",
          "key and value in each field; keys once in the whole pass; dates and numbers where they are announced",
          "see the JSON pointer in the evidence",
          "a phone refuses the pass, or shows no change: it finds changed fields by their key", _ADD, ("PKG3",)),
    Check("JSN4", _D, "webServiceURL can be called", "failed",
          "https, a host, no query, no fragment, no /v1 at its end",
          "write https://host/path; the phone appends /v1/… itself",
          "a phone refuses the pass (http) or calls what is not there", ("add", "register", "update"), ("PKG3",)),
    Check("JSN5", _D, "authenticationToken is usable", "failed", "16 visible ASCII characters or more",
          "use a random token of 32 characters", "a phone refuses the pass or cannot say who it is",
          ("add", "register", "update"), ("PKG3",)),
    Check("JSN6", _D, "Barcodes can be drawn", "failed",
          "known formats; messages that their encoding can hold", "see the JSON pointer in the evidence",
          "a phone refuses the pass or shows none", _ADD, ("PKG3",)),
    Check("JSN7", _D, "App links, NFC, semantics and actions are complete", "failed",
          "appLaunchURL with its app, nfc with its key, at most two featuredActions",
          "see the JSON pointer in the evidence", "a phone refuses the pass or ignores the part", _ADD, ("PKG3",)),
    Check("JSN8", _D, "Change messages say what changed", "warning", "%@ in each changeMessage",
          "write the place of the new value as %@", "an update shows no message, or an empty one", (), ("PKG3",)),
    Check("JSN9", _D, "Dates, places and colours can be read", "failed",
          "YYYY-MM-DDTHH:MM[:SS] with Z or ±HH:MM; latitude and longitude; rgb(r, g, b)",
          "see the JSON pointer in the evidence", "a phone refuses the pass or ignores the part", _ADD, ("PKG3",)),
    # ── the way there
    Check("NET1", _N, "The host is found and takes connections", "failed", "an address, and a TCP connection to it",
          "check the DNS record, the firewall and whether the server runs",
          "no phone can call, and none can tell you: connection errors are never in the device log", _ALL, ("JSN4",)),
    Check("NET2", _N, "Its TLS certificate is trusted", "failed",
          "a complete chain to a public root, as sent; the host's name; valid today",
          "put the full chain in place and renew it; then check the automatic renewal",
          "the connection fails before HTTP, so no phone can tell you", _ALL, ("NET1",)),
    Check("NET3", _N, "TLS 1.2 or newer", "failed", "TLS 1.2 or 1.3", "switch TLS 1.2 and 1.3 on",
          "the connection fails before HTTP, so no phone can tell you", _ALL, ("NET1",)),
    Check("NET4", _N, "The TLS certificate lasts", "warning", "valid for 14 days or more",
          "renew it, and check the automatic renewal", "after that day no phone can call", (), ("NET1",)),
    Check("NET5", _N, "HTTP/1.1 is answered", "failed", "an HTTP answer on a connection that offers http/1.1",
          "let the server speak HTTP/1.1 on that port", "no call is answered", _ALL, ("NET1",)),
    Check("NET6", _N, "No redirect", "failed", "an answer where the phone asked",
          "answer under the very webServiceURL of the pass: no other host, no added slash, no login",
          "the Authorization header is lost on the way, and POST becomes GET", _ALL, ("NET5",)),
    Check("NET7", _N, "No page for people in between", "failed", "an answer of the web service, not an HTML page",
          "let /v1/ through unchanged: no bot protection, no consent page, no login page",
          "every call fails, on every phone", _ALL, ("NET5", "NET6")),
    Check("NET8", _N, "Answers come in time", "warning", "each within 10 seconds",
          "build passes before they are fetched; let the proxy buffer nothing",
          "phones wait a minute at most, and people less", (), ("NET5",)),
    # ── the web service, reading
    Check("WS1", _W, "The pass is handed out for its token", "failed",
          "200 with application/vnd.apple.pkpass and Last-Modified",
          "answer GET /v1/passes/TYPE/SERIAL for the token that is inside the pass",
          "phones fetch, and get nothing they can show", ("update",), (*_LIVE, "JSN5")),
    Check("WS2", _W, "What is handed out is this pass, and valid", "failed",
          "the same pass type and serial, a good manifest and signature; the same address and token inside",
          "run livepass doctor on the package that is served", "phones drop the package", ("update",), ("WS1",)),
    Check("WS3", _W, "If-Modified-Since is answered by its meaning", "failed",
          "304 for the Last-Modified just given, 200 for an earlier time; the same date while the pass is the same",
          "compare the header with the pass's own Last-Modified, and nothing else",
          "a wrong 304 hides changes; without any 304 each look is a full download and a line in the device log",
          ("update",), ("WS1",)),
    Check("WS4", _W, "A wrong token is refused", "failed", "401 for a wrong token; nothing without one",
          "compare the token in constant time, before If-Modified-Since", "anybody can fetch the pass", (), _LIVE),
    Check("WS5", _W, "HEAD is answered like GET", "warning", "200 (or 401), and neither 405 nor 5xx",
          "answer HEAD with the headers of GET",
          "one operator saw phones send it; Apple does not say", (), (*_LIVE, "JSN5")),
    Check("WS6", _W, "Phones ask without a token", "failed",
          "200 with an empty list, 204 or 404 for an unknown device: never 401",
          "require no Authorization for GET /v1/devices/…/registrations/TYPE",
          "Wallet sends no token there: every update of every phone stops", ("update",), _LIVE),
    Check("WS7", _W, "Phones can say what went wrong", "failed", "200 for POST /v1/log",
          "answer 200 and keep the lines", "you lose the only evidence that comes from phones", (), _LIVE, "--log"),
    # ── the web service, with a fake device
    Check("WS8", _W, "A phone can register", "failed", "200 or 201, also again; 401 for a wrong token",
          "answer 201 for a new registration and 200 for a known one; no other 2xx, no 409",
          "the phone repeats the call for days, and is never told of changes", ("register",), (*_LIVE, "JSN5"),
          "--register"),
    Check("WS9", _W, "A registered phone is told its passes and a tag", "failed",
          '200 with {"serialNumbers": ["…"], "lastUpdated": "…"}, the tag a string; 204 when asked with that tag',
          "write lastUpdated as a JSON string, and list what is newer than the tag",
          "the phone asks after each push, rejects the answer, and does not fetch", ("update",), ("WS8",),
          "--register"),
    Check("WS10", _W, "A tag from elsewhere hides nothing", "warning",
          "everything, for no tag, an empty one, one of another service or one of the future; no error",
          "answer a tag that you cannot read, or that is ahead of you, as if there was none",
          "after a restored database phones hold tags that you never gave", (), ("WS9",), "--register"),
    Check("WS11", _W, "A phone can unregister", "failed",
          "200, also again; known no more afterwards; can register again",
          "answer DELETE with 200, whether or not something was registered",
          "phones repeat the call and log it; who stays registered is pushed for nothing", (), ("WS8",), "--register"),
    Check("WS12", _W, "An unknown pass is refused without a story", "failed", "401 or 404, no stack trace",
          "answer 401 or 404 for a serial that does not exist", "strangers learn what runs there", (), _LIVE),
    # ── APNs
    Check("APN1", _A, "APNs takes the certificate's connection", "failed", "a TLS connection with the certificate",
          "use a certificate that Apple issued and that is valid", "no phone is woken", ("push",), ("CRT3",),
          "--apns-probe"),
    Check("APN2", _A, "APNs does not refuse the certificate", "failed",
          "a complaint about the made-up push token, not about the certificate",
          "use the Pass Type ID certificate, on the production host", "no phone is woken", ("push",), ("APN1",),
          "--apns-probe"),
    Check("APN3", _A, "APNs does not refuse the topic", "failed",
          "a complaint about the made-up push token, not about the topic",
          "the topic is the pass type that the certificate is for", "no phone is woken", ("push",), ("APN2",),
          "--apns-probe"),
    # ── our own installation
    Check("SELF1", _O, "The database has this version's schema", "failed", "no upgrade due", "livepass db upgrade",
          "serve and worker refuse to start", ("register", "update", "push")),
    Check("SELF2", _O, "The database holds together", "failed", "livepass db verify finds nothing",
          "livepass db verify names each finding and its remedy", "passes are told wrongly, or not at all",
          ("update",), ("SELF1",)),
    Check("SELF3", _O, "Processes are alive", "failed", "a serve and a worker heard of in the last minute",
          "livepass serve; livepass worker adds hands", "phones are not answered, pushes wait",
          ("register", "update", "push"), ("SELF1",)),
    Check("SELF4", _O, "Pushes go out", "failed", "none overdue by more than 5 minutes",
          "livepass push list --due; livepass status", "phones are not woken", ("push",), ("SELF1",)),
    Check("SELF5", _O, "Certificates last", "failed", "each pass type has a live one, for 30 days or more",
          "livepass cert import the next one", "nothing can be signed or pushed after that day",
          ("add", "update", "push"), ("SELF1",)),
    Check("SELF6", _O, "Witness and journal can be written", "failed",
          "the files that tell and heal a restored database, where they are configured",
          "check the folder's owner and space", "a database that went back in time goes unnoticed", (), ("SELF1",)),
    Check("SELF7", _O, "There is room on the disk", "failed", "a tenth, or a gigabyte, free", "make room",
          "nothing can be written: phones are refused", ("register", "update")),
    Check("SELF8", _O, "Clocks agree", "warning", "this machine and the public address within 5 seconds",
          "run NTP on every host", "leases and signing times are off", (), ("NET5",)),
    Check("SELF9", _O, "A backup is known", "warning", "a backup file named with --backup, younger than a day",
          "livepass backup FILE, and let cron run it", "registrations cannot be asked for again"),
    Check("SELF10", _O, "The public address answers as phones need it", "failed",
          "LIVEPASS_PUBLIC_URL/wallet passes NET1 to NET7 and WS6",
          "see the Network lines", "no phone can call", ("register", "update")),
    Check("SELF11", _O, "Nothing on the way changes calls or answers", "failed",
          "each call to LIVEPASS_PUBLIC_URL/wallet arrives at this installation as sent, and so does its answer",
          "livepass serve logs the line of nginx or Caddy to look for; docs/how-to/stand-behind-a-proxy.md",
          "tokens, dates or changes are lost between phones and the service", ("register", "update"),
          ("SELF1",)),
)
# fmt: on

BY_ID: Final[Mapping[str, Check]] = {check.id: check for check in CHECKS}
