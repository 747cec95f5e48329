"""The authority over real HTTP: the ``openssl`` program asks and judges; each fault is seen by it, and mended."""

from __future__ import annotations

import base64
import http.client
import time
import urllib.error
import urllib.parse
import urllib.request
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from emulators.authority.openssl import OpenSSL, Said
from livepass.emulators.authority import Authority, AuthorityServer, Issued
from livepass.emulators.authority.faults import FAULTS, Fault
from livepass.emulators.authority.listening import MAX_REQUEST_BYTES

PASS_TYPE = "pass.test.livepass"
SECONDS = 10


@pytest.fixture
def leaf(server: AuthorityServer) -> Issued:
    return server.authority.pass_certificate(PASS_TYPE)


def get(url: str, data: bytes | None = None) -> tuple[int, str, bytes]:
    """Status, content type, body; redirects are followed."""
    try:
        with urllib.request.urlopen(url, data, timeout=SECONDS) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.headers["Content-Type"], refused.read()


def asked(server: AuthorityServer, openssl: OpenSSL, issued: Issued, *more: str) -> Said:
    assert issued.intermediate is not None
    root = server.authority.ec_root if "EC" in issued.intermediate.issuer.rfc4514_string() else server.authority.root
    return openssl.ocsp(root, issued.intermediate, issued.certificate, *more)


# ── the intermediate


@pytest.mark.parametrize("generation", ["G1", "G4", "G6"])
def test_the_intermediate_is_where_the_certificate_says(
    server: AuthorityServer, openssl: OpenSSL, generation: str
) -> None:
    status, kind, der = get(f"{server.url}/wwdr{generation.lower()}.der")
    assert (status, kind) == (200, "application/pkix-cert")
    issued = server.authority.pass_certificate(PASS_TYPE, generation=generation)
    assert x509.load_der_x509_certificate(der) == issued.intermediate
    assert [(hit.method, hit.path, hit.what, hit.answered) for hit in server.hits] == [
        ("GET", f"/wwdr{generation.lower()}.der", "intermediate", 200)
    ]


def test_roots_too(server: AuthorityServer) -> None:
    assert x509.load_der_x509_certificate(get(f"{server.url}/root.der")[2]) == server.authority.root
    assert x509.load_der_x509_certificate(get(f"{server.url}/root-ec.der")[2]) == server.authority.ec_root


@pytest.mark.parametrize("path", ["/", "/wwdrg9.der", "/wwdrg4", "/ocsp03-wwdrg4", "/ocsp03-wwdrg9/AAAA", "/.crl"])
def test_nothing_is_elsewhere(server: AuthorityServer, path: str) -> None:
    assert get(server.url + path)[0] == 404
    assert server.hits[-1].what is None


# ── OCSP


@pytest.mark.parametrize("delegated", [True, False])
@pytest.mark.parametrize("generation", ["G4", "G6"])
def test_good_then_revoked(server: AuthorityServer, openssl: OpenSSL, generation: str, delegated: bool) -> None:
    server.delegated = delegated
    issued = server.authority.pass_certificate(PASS_TYPE, generation=generation)
    said = asked(server, openssl, issued)
    assert "Response verify OK" in said.text and "leaf.pem: good" in said.text, said.text
    assert "WARNING" not in said.text, "the nonce comes back"
    moment = datetime(2026, 3, 1, 12, tzinfo=UTC)
    server.authority.revoke(issued.certificate, moment, x509.ReasonFlags.key_compromise)
    said = asked(server, openssl, issued)
    assert "Response verify OK" in said.text and "leaf.pem: revoked" in said.text, said.text
    assert "Reason: keyCompromise" in said.text and "Mar  1 12:00:00 2026" in said.text
    assert {hit.serial for hit in server.hits} == {issued.certificate.serial_number}


def test_a_request_without_nonce_gets_none(server: AuthorityServer, openssl: OpenSSL, leaf: Issued) -> None:
    assert "Nonce" in asked(server, openssl, leaf, "-resp_text").text
    said = asked(server, openssl, leaf, "-no_nonce", "-resp_text").text
    assert "leaf.pem: good" in said and "Nonce" not in said


@pytest.mark.parametrize("digest", ["-sha1", "-sha256"])
def test_the_hash_of_the_request_is_kept_to(
    server: AuthorityServer, openssl: OpenSSL, leaf: Issued, digest: str
) -> None:
    openssl.write("issuer.pem", server.authority.intermediate)
    openssl.write("leaf.pem", leaf.certificate)
    arguments = [digest, "-issuer", "issuer.pem", "-cert", "leaf.pem", "-reqout", "request.der"]
    assert openssl("ocsp", *arguments).ok
    answer = get(f"{server.url}/ocsp03-wwdrg4", (openssl.folder / "request.der").read_bytes())[2]
    found = ocsp.load_der_ocsp_response(answer)
    assert found.certificate_status is ocsp.OCSPCertStatus.GOOD
    assert found.hash_algorithm.name == digest[1:]


def test_what_was_never_issued_is_unknown(server: AuthorityServer, openssl: OpenSSL) -> None:
    authority = server.authority
    openssl.write("issuer.pem", authority.intermediate)
    openssl.write("root.pem", authority.root)
    url = f"{server.url}/ocsp03-wwdrg4"
    said = openssl("ocsp", "-issuer", "issuer.pem", "-serial", "4711", "-CAfile", "root.pem", "-url", url)
    assert "Response verify OK" in said.text and "4711: unknown" in said.text, said.text


def request_for(certificate: x509.Certificate, issuer: x509.Certificate) -> bytes:
    builder = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, hashes.SHA1())
    return builder.build().public_bytes(Encoding.DER)


def status_of(answer: tuple[int, str, bytes]) -> ocsp.OCSPResponseStatus:
    assert answer[:2] == (200, "application/ocsp-response")
    return ocsp.load_der_ocsp_response(answer[2]).response_status


def test_a_request_in_the_path(server: AuthorityServer, leaf: Issued) -> None:
    encoded = urllib.parse.quote(base64.b64encode(request_for(leaf.certificate, server.authority.intermediate)), "")
    answer = get(f"{server.url}/ocsp03-wwdrg4/{encoded}")
    assert status_of(answer) is ocsp.OCSPResponseStatus.SUCCESSFUL
    assert ocsp.load_der_ocsp_response(answer[2]).serial_number == leaf.certificate.serial_number
    assert server.hits[-1].serial == leaf.certificate.serial_number


def test_requests_that_are_none(server: AuthorityServer, leaf: Issued) -> None:
    url = f"{server.url}/ocsp03-wwdrg4"
    malformed, unauthorized = ocsp.OCSPResponseStatus.MALFORMED_REQUEST, ocsp.OCSPResponseStatus.UNAUTHORIZED
    assert status_of(get(url, b"rubbish")) is malformed
    assert status_of(get(f"{url}/%%%")) is malformed
    stranger = Authority(name="Strangers")
    other = stranger.pass_certificate(PASS_TYPE).certificate
    assert status_of(get(url, request_for(other, stranger.intermediate))) is unauthorized
    of_another = request_for(leaf.certificate, server.authority.intermediate)
    assert status_of(get(f"{server.url}/ocsp03-wwdrg3", of_another)) is unauthorized
    assert get(url, b"x" * (MAX_REQUEST_BYTES + 1))[0] == 413


def test_answers_are_dated_by_the_authoritys_clock(server: AuthorityServer, openssl: OpenSSL, leaf: Issued) -> None:
    authority, usual = server.authority, server.authority.clock
    server.authority.revoke(leaf.certificate, usual() + timedelta(days=3))
    assert "leaf.pem: good" in asked(server, openssl, leaf).text
    authority.clock = lambda: usual() + timedelta(days=4)
    try:
        answer = get(f"{server.url}/ocsp03-wwdrg4", request_for(leaf.certificate, authority.intermediate))[2]
        found = ocsp.load_der_ocsp_response(answer)
        assert found.certificate_status is ocsp.OCSPCertStatus.REVOKED
        assert found.this_update_utc < authority.clock() < (found.next_update_utc or found.this_update_utc)
        assert "not yet valid" in asked(server, openssl, leaf).text
    finally:
        authority.clock = usual


# ── the list of those revoked


@pytest.mark.parametrize("generation", ["G4", "G6"])
def test_the_list(server: AuthorityServer, openssl: OpenSSL, generation: str) -> None:
    authority = server.authority
    issuer = authority.issuer(generation).certificate
    kept = authority.pass_certificate(PASS_TYPE, generation=generation).certificate
    revoked = authority.pass_certificate(PASS_TYPE, generation=generation).certificate
    authority.revoke(revoked, reason=x509.ReasonFlags.superseded)
    status, kind, der = get(f"{server.url}/wwdr{generation.lower()}.crl")
    assert (status, kind) == (200, "application/pkix-crl")
    (openssl.folder / "list.der").write_bytes(der)
    openssl.write("issuer.pem", issuer)
    said = openssl("crl", "-in", "list.der", "-CAfile", "issuer.pem", "-text", "-out", "list.pem")
    assert "verify OK" in said.text, said.text
    text = openssl("crl", "-in", "list.der", "-noout", "-text").text
    assert f"{revoked.serial_number:X}" in text and "Superseded" in text
    assert f"{kept.serial_number:X}" not in text
    openssl.write("root.pem", authority.root if generation == "G4" else authority.ec_root)
    for certificate, good in ((kept, True), (revoked, False)):
        openssl.write("leaf.pem", certificate)
        arguments = ["-CAfile", "root.pem", "-untrusted", "issuer.pem", "-CRLfile", "list.pem", "-crl_check"]
        said = openssl("verify", *arguments, "leaf.pem")
        assert said.ok == good, said.text
        assert good or "certificate revoked" in said.text


# ── faults

OF_OCSP = [
    ("down", "Connection refused"),
    ("cut", ""),
    ("500", "500"),
    ("html", "unexpected content type"),
    ("garbage", ""),
    ("redirect", "redirection"),
    ("stale", "Status times invalid"),
    ("another", "No Status found"),
    ("wrong-key", "Response Verify Failure"),
    ("wrong-responder", "Response Verify Failure"),
    ("try-later", "trylater"),
]


@pytest.mark.parametrize(("fault", "says"), OF_OCSP)
def test_openssl_is_not_content(server: AuthorityServer, openssl: OpenSSL, leaf: Issued, fault: str, says: str) -> None:
    server.spoil(fault)
    said = asked(server, openssl, leaf)
    content = "Response verify OK" in said.text and "leaf.pem: good" in said.text
    assert not content or fault == "stale", said.text
    assert says in said.text, said.text
    server.mend()
    said = asked(server, openssl, leaf)
    assert "Response verify OK" in said.text and "leaf.pem: good" in said.text and "WARNING" not in said.text


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("livepass.emulators.authority.server.SLOW_SECONDS", 60.0)


def test_slow_is_let_go_by_mending(server: AuthorityServer, slow: None) -> None:
    server.spoil("slow", "intermediate")
    host, port = server.url.removeprefix("http://").split(":")
    caller = http.client.HTTPConnection(host, int(port), timeout=0.3)
    caller.request("GET", "/wwdrg4.der")
    with pytest.raises(TimeoutError):
        caller.getresponse()
    assert get(f"{server.url}/wwdrg4.crl")[0] == 200, "one kind is slow, the others are not"
    caller = http.client.HTTPConnection(host, int(port), timeout=SECONDS)
    caller.request("GET", "/wwdrg4.der")
    server.mend()
    assert caller.getresponse().status == 200


def answered_again(url: str) -> int:
    """The status, once those who were answered have hung up: the server learns of that a moment later."""
    end = time.monotonic() + SECONDS
    while True:
        try:
            return get(url)[0]
        except ConnectionError:
            assert time.monotonic() < end
            time.sleep(0.05)


def test_too_many_at_once_are_sent_away(slow: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("livepass.emulators.authority.listening.MAX_CONNECTIONS", 2)
    with AuthorityServer(Authority(name="Busy")) as server:
        server.spoil("slow")
        host, port = server.url.removeprefix("http://").split(":")
        callers = [http.client.HTTPConnection(host, int(port), timeout=SECONDS) for _ in range(3)]
        for caller in callers:
            caller.request("GET", "/root.crl")
        with pytest.raises(ConnectionError):
            callers[2].getresponse()
        server.mend()
        assert [caller.getresponse().status for caller in callers[:2]] == [200, 200]
        assert answered_again(f"{server.url}/root.crl") == 200


def test_the_intermediate_of_a_wrong_generation(server: AuthorityServer) -> None:
    server.spoil("wrong-generation")
    for path in ("/wwdrg4.der", "/wwdrg3.der"):
        found = x509.load_der_x509_certificate(get(server.url + path)[2])
        assert found != server.authority.issuer(path[5:7].upper()).certificate


def test_a_list_that_is_wrong(server: AuthorityServer, openssl: OpenSSL) -> None:
    def judged() -> str:
        (openssl.folder / "list.der").write_bytes(get(f"{server.url}/wwdrg4.crl")[2])
        openssl.write("issuer.pem", server.authority.intermediate)
        return openssl("crl", "-in", "list.der", "-noout", "-CAfile", "issuer.pem", "-nextupdate").text

    assert "verify OK" in judged()
    server.spoil("wrong-key", "crl")
    assert "verify failure" in judged()
    server.spoil("another")
    assert "verify OK" not in judged()
    server.spoil("stale")
    found = x509.load_der_x509_crl(get(f"{server.url}/wwdrg4.crl")[2])
    assert found.next_update_utc is not None and found.next_update_utc < datetime.now(UTC) - timedelta(days=20)


def test_a_redirect_leads_to_the_truth_or_astray(server: AuthorityServer, leaf: Issued) -> None:
    server.spoil("redirect", "intermediate")
    assert x509.load_der_x509_certificate(get(f"{server.url}/wwdrg4.der")[2]) == leaf.intermediate
    assert [(hit.path, hit.answered) for hit in server.hits] == [("/wwdrg4.der", 302), ("/moved/wwdrg4.der", 200)]
    server.spoil("redirect", "intermediate", f"{server.url}/wwdrg3.crl")
    assert get(f"{server.url}/wwdrg4.der")[1] == "application/pkix-crl"


def test_a_fault_of_one_kind_leaves_the_others(server: AuthorityServer, openssl: OpenSSL, leaf: Issued) -> None:
    server.spoil("500", "intermediate")
    assert get(f"{server.url}/wwdrg4.der")[0] == 500
    assert "leaf.pem: good" in asked(server, openssl, leaf).text
    assert server.hits[0].answered == 500


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(("dwon",), "no fault"), (("down", "ocsp"), "nothing listens"), (("500", None, "http://x"), "only redirect")],
)
def test_faults_that_there_are_not(server: AuthorityServer, arguments: tuple, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        server.spoil(*arguments)
    assert get(f"{server.url}/wwdrg4.der")[0] == 200


def test_the_table_of_faults_is_whole() -> None:
    assert {name for name, _ in OF_OCSP} | {"slow", "wrong-generation"} == set(FAULTS)
    assert all(Fault(name).spoils("ocsp") for name in FAULTS)


def test_ports(leaf: Issued) -> None:
    authority = Authority(name="Ports")
    with AuthorityServer(authority) as first:
        assert authority.address == first.url
        with pytest.raises(OSError):
            AuthorityServer(Authority(name="Second"), port=int(first.url.rsplit(":", 1)[1])).start()
    assert authority.address is None
    first.mend()
    with pytest.raises(urllib.error.URLError):
        get(first.url)
    with AuthorityServer(authority) as second:
        second.spoil("down")
    second.mend()
    with pytest.raises(urllib.error.URLError):
        get(second.url)
