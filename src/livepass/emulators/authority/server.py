"""The authority over plain HTTP on loopback: intermediates, OCSP, CRLs, and faults. ``with AuthorityServer(a):``

Addresses follow Apple's, as they stand in real certificates:

| path | what |
|---|---|
| ``GET /wwdrg4.der`` | the intermediate of a generation; ``/root.der`` and ``/root-ec.der`` the roots |
| ``POST /ocsp03-wwdrg4`` | OCSP, the request in the body |
| ``GET /ocsp03-wwdrg4/BASE64`` | OCSP, the request in the path |
| ``GET /wwdrg4.crl`` | what that intermediate took back |

It runs in threads of its own, so that it also answers while a test waits for ``openssl``. What Apple's servers really
answer, and how fast, is not promised by this: see ``status``.
"""

from __future__ import annotations

import base64
import binascii
import threading
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from livepass.emulators.authority import status
from livepass.emulators.authority.ca import Authority, Issuer
from livepass.emulators.authority.faults import SLOW_SECONDS, Fault, What
from livepass.emulators.authority.listening import Answer, Listening
from livepass.emulators.authority.shapes import USUAL

MOVED = "/moved"  # where a redirect leads: the same paths below it answer truly

DER_TYPES: dict[What, str] = {
    "intermediate": "application/pkix-cert",
    "ocsp": "application/ocsp-response",
    "crl": "application/pkix-crl",
}
PAGE = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Sign in to this network</body></html>"
GARBAGE = b"\x30\x82\xff\xffthese are no DER bytes"


@dataclass(frozen=True, slots=True)
class Hit:
    """One request that was seen. ``serial`` is what OCSP was asked about, ``answered`` the HTTP status (0: none)."""

    method: str
    path: str
    what: What | None
    answered: int
    serial: int | None = None


class AuthorityServer:
    """One authority on one port of loopback. While it runs, what the authority issues carries its addresses.

    ``delegated``: OCSP is signed by a responder with a certificate of its own, otherwise by the intermediate.
    """

    def __init__(self, authority: Authority, host: str = "127.0.0.1", port: int = 0, *, delegated: bool = True) -> None:
        self.authority = authority
        self.delegated = delegated
        self._host, self._port = host, port
        self._fault: Fault | None = None
        self._mended = threading.Event()
        self._hits: list[Hit] = []
        self._http: Listening | None = None

    @property
    def url(self) -> str:
        """``http://host:port``."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    @property
    def hits(self) -> list[Hit]:
        """What was asked so far, oldest first. A server that is down sees nothing."""
        return list(self._hits)

    def forget(self) -> None:
        self._hits.clear()

    def start(self) -> None:
        """Listen. ``OSError`` when the port is taken."""
        self._up()
        self.authority.address = self.url

    def stop(self) -> None:
        """Close the port; answers that are held back are let go."""
        self._fault = None
        self._mended.set()
        self._down()
        self.authority.address = None

    def __enter__(self) -> AuthorityServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # -- faults -----------------------------------------------------------------------------------------------------

    def spoil(self, name: str, what: What | None = None, target: str | None = None) -> None:
        """Switch on one fault (``faults.FAULTS``) instead of the one before. ``ValueError``: there is none such."""
        fault = Fault(name, what, target)
        self.mend()
        self._mended = threading.Event()
        self._fault = fault
        if name == "down":
            self._down()

    def mend(self) -> None:
        """Switch off the fault; the port stays the same."""
        down = self._fault is not None and self._fault.name == "down"
        self._fault = None
        self._mended.set()
        if down:
            self._up()

    # -- answering --------------------------------------------------------------------------------------------------

    def answer(self, method: str, path: str, body: bytes) -> Answer:
        """What goes back for one request; it is remembered as a ``Hit``."""
        what, produce = self._route(method, path.removeprefix(MOVED), body)
        fault = self._fault
        if what is None or produce is None:
            made = Answer(404, b"nothing is here\n")
        elif fault is None or not fault.spoils(what) or path.startswith(MOVED):
            made = produce(None)
        else:
            made = self._spoilt(fault, what, path, produce)
        self._hits.append(Hit(method, path, what, made.status, made.serial))
        return made

    def _route(self, method: str, path: str, body: bytes) -> tuple[What | None, Callable[[str | None], Answer] | None]:
        stem, _, ending = path.removeprefix("/").rpartition(".")
        issuer = self.authority.at(stem)
        if method == "GET" and issuer is not None and ending == "der":
            return "intermediate", lambda fault: self._intermediate(issuer, fault)
        if method == "GET" and issuer is not None and ending == "crl":
            return "crl", lambda fault: self._crl(issuer, fault)
        if not path.startswith("/ocsp03-"):
            return None, None
        stem, _, encoded = path.removeprefix("/ocsp03-").partition("/")
        issuer = self.authority.at(stem)
        if issuer is None or (method == "GET") != bool(encoded):
            return None, None
        request = body if method == "POST" else _decoded(encoded)
        return "ocsp", lambda fault: self._ocsp(issuer, request, fault)

    def _intermediate(self, issuer: Issuer, fault: str | None) -> Answer:
        if fault == "wrong-generation":
            issuer = self._another(issuer)
        return Answer(200, issuer.certificate.public_bytes(Encoding.DER), DER_TYPES["intermediate"])

    def _crl(self, issuer: Issuer, fault: str | None) -> Answer:
        if fault == "another":
            issuer = self._another(issuer)
        return Answer(200, status.crl(issuer, self.authority.clock(), lies=_lies(fault)), DER_TYPES["crl"])

    def _another(self, issuer: Issuer) -> Issuer:
        usual = self.authority.issuer(USUAL)
        return self.authority.issuer("G3") if issuer is usual else usual

    def _ocsp(self, issuer: Issuer, request: bytes, fault: str | None) -> Answer:
        now = self.authority.clock()
        der, serial = status.ocsp_answer(issuer, request, now, delegated=self.delegated, lies=_lies(fault))
        if fault == "try-later":
            der = status.refusal(ocsp.OCSPResponseStatus.TRY_LATER)
        return Answer(200, der, DER_TYPES["ocsp"], serial=serial)

    def _spoilt(self, fault: Fault, what: What, path: str, produce: Callable[[str | None], Answer]) -> Answer:
        serial = produce(None).serial
        match fault.name:
            case "down" | "cut":
                return Answer(0, serial=serial)
            case "500":
                return Answer(500, b"internal server error\n", serial=serial)
            case "html":
                return Answer(200, PAGE, "text/html; charset=utf-8", serial=serial)
            case "garbage":
                return Answer(200, GARBAGE, DER_TYPES[what], serial=serial)
            case "redirect":
                target = self.url + MOVED + path if fault.target is None else fault.target
                return Answer(302, location=target, serial=serial)
            case "slow":
                self._mended.wait(SLOW_SECONDS)
                return produce(None)
            case _:
                return produce(fault.name)

    # -- the port ---------------------------------------------------------------------------------------------------

    def _up(self) -> None:
        self._http = Listening((self._host, self._port), self.answer)
        self._port = self._http.server_address[1]
        threading.Thread(target=self._http.serve_forever, args=(0.02,), name="authority", daemon=True).start()

    def _down(self) -> None:
        http, self._http = self._http, None
        if http is not None:
            http.shutdown()
            http.server_close()


def _decoded(encoded: str) -> bytes:
    """The request in a path: base64, percent-encoded (RFC 6960, appendix A.1). Rubbish becomes an empty request."""
    try:
        return base64.b64decode(unquote(encoded), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _lies(fault: str | None) -> status.Lies:
    return status.Lies(
        stale=fault == "stale",
        another=fault == "another",
        wrong_key=fault == "wrong-key",
        wrong_responder=fault == "wrong-responder",
    )
