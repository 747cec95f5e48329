"""Certificates, templates and API keys through the issuer API."""

from __future__ import annotations

import base64

from cryptography.hazmat.primitives.serialization import Encoding

from livepass.emulators.authority import Authority, Issued
from web.asgi import MEMBERSHIP, OTHER, PASS_TYPE, Api, folder_zip, with_api


@with_api
async def test_the_first_certificate_becomes_live(api: Api, authority: Authority) -> None:
    fresh = authority.pass_certificate("pass.test.fresh", "TEAM123456", organization="Gym & Sons", days=20)
    body = {"p12": base64.b64encode(fresh.p12("sesame")).decode(), "password": "sesame"}
    made = await api.ok("POST", "/certificates", body)
    assert (made["pass_type"], made["team"], made["organization"]) == ("pass.test.fresh", "TEAM123456", "Gym & Sons")
    assert made["live"] is True and made["state"] == "live"
    assert (made["generation"], made["key_bits"], made["root"], made["days_left"]) == ("G4", 2048, "foreign", 19)
    assert made["not_before"].endswith("Z") and made["not_after"] > made["not_before"]
    assert {problem["rule"] for problem in made["problems"]} == {"foreign-root", "expires-soon"}
    shown = await api.ok("GET", f"/certificates/{made['id']}")
    assert shown == {key: value for key, value in made.items() if key != "problems"}
    assert "chain_pem" not in shown and "key_sealed" not in shown


@with_api
async def test_the_next_certificate_waits(api: Api, authority: Authority) -> None:
    following = authority.pass_certificate(PASS_TYPE, "TEAM123456")
    body = {
        "certificate_pem": following.certificate_pem.decode(),
        "private_key_pem": following.key_pem.decode(),
        "intermediate_pem": following.intermediate_pem.decode(),
    }
    made = await api.ok("POST", "/certificates", body)
    assert (made["live"], made["state"]) == (False, "staged")
    states = [row["state"] for row in (await api.ok("GET", f"/certificates?pass_type={PASS_TYPE}"))["data"]]
    assert sorted(states) == ["live", "staged"]


@with_api
async def test_certificates_that_cannot_be(api: Api, certificates: tuple[Issued, ...], authority: Authority) -> None:
    good = base64.b64encode(certificates[0].p12("sesame")).decode()
    stranger = base64.b64encode(authority.pass_certificate(PASS_TYPE, "OTHERTEAM0").p12("")).decode()
    certificate_alone = base64.b64encode(authority.pass_certificate(PASS_TYPE, "TEAM123456").cer).decode()
    cases = [
        ({}, "invalid", ["/p12", "/certificate", "/certificate_pem"]),
        ({"certificate_pem": "x", "password": "y"}, "invalid", ["/password"]),
        ({"p12": good, "certificate_pem": "x"}, "invalid", ["/certificate_pem"]),
        ({"p12": good, "certificate": good}, "invalid", ["/certificate"]),
        ({"p12": good, "private_key_pem": "x"}, "invalid", ["/private_key_pem"]),
        ({"certificate_pem": "x", "private_key_password": "y"}, "invalid", ["/private_key_pem"]),
        ({"certificate": certificate_alone}, "no_key", []),
        ({"certificate": good}, "certificate_refused", []),
        ({"p12": good, "password": "wrong"}, "certificate_refused", []),
        ({"p12": good}, "certificate_refused", []),
        ({"p12": "AAAA"}, "certificate_refused", []),
        ({"certificate_pem": "a", "private_key_pem": "b", "intermediate_pem": "ü"}, "certificate_refused", []),
        ({"p12": stranger}, "wrong_team", []),
    ]
    for body, code, pointers in cases:
        reply = await api.call("POST", "/certificates", body)
        assert (reply.status, reply.json()["code"]) == (422, code), reply.body
        assert [error["pointer"] for error in reply.json()["errors"]] == pointers
        assert reply.json()["hint"]
    assert len((await api.ok("GET", "/certificates"))["data"]) == 2
    assert (await api.call("GET", "/certificates/none")).status == 404


@with_api
async def test_a_key_is_made_here_and_its_certificate_finds_it(api: Api, authority: Authority) -> None:
    made = await api.ok("POST", "/signing-requests", {"pass_type": "pass.test.fresh", "email": "a@b.example"})
    assert made["csr_pem"].startswith("-----BEGIN CERTIFICATE REQUEST-----") and "PRIVATE" not in made["csr_pem"]
    assert made["id"] == made["public_key_sha256"][:16]
    other = await api.ok("POST", "/signing-requests", {})
    assert (await api.ok("GET", "/signing-requests?limit=1"))["data"] == [
        {key: value for key, value in made.items() if key != "csr_pem"}
    ]
    assert [row["id"] for row in (await api.ok("GET", "/signing-requests"))["data"]] == [made["id"], other["id"]]
    cer = authority.from_csr(made["csr_pem"].encode(), "pass.test.fresh", "TEAM123456")
    body = {"certificate": base64.b64encode(cer).decode(), "intermediate_pem": certificates_pem(authority)}
    taken = await api.ok("POST", "/certificates", body)
    assert (taken["state"], taken["pass_type"]) == ("live", "pass.test.fresh")
    assert [row["id"] for row in (await api.ok("GET", "/signing-requests"))["data"]] == [other["id"]], (
        "it waits no more"
    )
    assert (await api.ok("POST", "/certificates", body))["id"] == taken["id"], "again is harmless"
    assert (await api.call("DELETE", f"/signing-requests/{other['id']}")).status == 204
    assert (await api.call("DELETE", f"/signing-requests/{other['id']}")).status == 404
    assert (await api.ok("GET", "/signing-requests"))["data"] == []
    reply = await api.call("POST", "/signing-requests", {"team": "x" * 65})
    assert reply.status == 422


@with_api
async def test_a_key_for_some_types_makes_requests_for_those(api: Api, authority: Authority) -> None:
    ours = await api.key("certs:admin", pass_types=[PASS_TYPE])
    theirs = await api.ok("POST", "/signing-requests", {"pass_type": OTHER})
    made = (await api.call("POST", "/signing-requests", {"pass_type": PASS_TYPE}, key=ours)).json()
    for body, status in (({"pass_type": OTHER}, 403), ({}, 422)):
        reply = await api.call("POST", "/signing-requests", body, key=ours)
        assert (reply.status, bool(reply.json()["hint"])) == (status, True)
    listed = (await api.call("GET", "/signing-requests", key=ours)).json()["data"]
    assert [row["id"] for row in listed] == [made["id"]]
    # Somebody else's key is not found by a caller who may not know of it, even for a pass type of the caller's own.
    cer = authority.from_csr(theirs["csr_pem"].encode(), PASS_TYPE, "TEAM123456")
    body = {"certificate": base64.b64encode(cer).decode(), "intermediate_pem": certificates_pem(authority)}
    reply = await api.call("POST", "/certificates", body, key=ours)
    assert (reply.status, reply.json()["code"]) == (422, "no_key")
    assert made["id"] in reply.json()["detail"]
    # Nor is the key of somebody else's certificate, once that has come.
    of_theirs = base64.b64encode(authority.from_csr(theirs["csr_pem"].encode(), OTHER, "TEAM123456")).decode()
    await api.ok("POST", "/certificates", {**body, "certificate": of_theirs})
    assert (await api.call("POST", "/certificates", body, key=ours)).json()["code"] == "no_key"
    assert (await api.call("POST", "/certificates", body)).status == 201


def certificates_pem(authority: Authority) -> str:
    return authority.intermediate.public_bytes(Encoding.PEM).decode()


@with_api
async def test_templates_are_published_and_shown(api: Api) -> None:
    again = await api.ok("POST", "/templates", body=folder_zip("membership/"), media="application/zip")
    assert again["new"] is False and again["variables"] == {"points": "scalar"}
    changed = folder_zip(document={**MEMBERSHIP, "description": "Gold"})
    reply = await api.call("POST", "/templates?name=gold", body=changed, media="application/zip")
    assert reply.status == 201 and set(reply.json()) == {"name", "revision", "variables", "new", "problems"}
    assert (reply.json()["name"], reply.json()["new"]) == ("gold", True)
    door = folder_zip("door/", {**MEMBERSHIP, "nfc": {"message": "1", "encryptionPublicKey": "AA=="}})
    [grant] = (await api.ok("POST", "/templates", body=door, media="application/zip"))["problems"]
    assert (grant["rule"], grant["effect"], grant["ios"]) == ("nfc-grant", "grant", [18, 26, 27])
    assert [row["name"] for row in (await api.ok("GET", "/templates"))["data"]] == ["door", "gold", "membership"]
    shown = await api.ok("GET", "/templates/gold")
    assert shown["revision"] == reply.json()["revision"] and shown["created_at"].endswith("Z")
    missing = await api.call("GET", "/templates/none")
    assert (missing.status, missing.json()["code"]) == (404, "no_template")


@with_api
async def test_templates_that_cannot_be(api: Api) -> None:
    nameless, bad = folder_zip(), folder_zip(document={"description": "${a b}"})
    for target, body in (
        ("/templates", b""),
        ("/templates", b"PK\x03\x04 no zip"),
        ("/templates", nameless),
        ("/templates?name=a/b", nameless),
        ("/templates?name=", nameless + b"x"),
        ("/templates?name=x", bad),
    ):
        reply = await api.call("POST", target, body=body, media="application/zip")
        assert (reply.status, reply.json()["code"]) == (422, "template"), reply.body
        assert reply.json()["hint"]
    assert len((await api.ok("GET", "/templates"))["data"]) == 1


@with_api
async def test_a_key_is_shown_once(api: Api) -> None:
    body = {"name": "till", "scopes": ["passes:write", "passes:read"], "pass_types": [OTHER, PASS_TYPE, OTHER]}
    made = await api.ok("POST", "/keys", body)
    assert made["key"].startswith(f"lp_{made['id']}_") and len(made["key"]) > 50
    assert made["scopes"] == ["passes:read", "passes:write"] and made["pass_types"] == [PASS_TYPE, OTHER]
    shown = await api.ok("GET", f"/keys/{made['id']}")
    assert shown == {key: value for key, value in made.items() if key != "key"}
    stored = await api.services.store.api_key(made["id"])
    assert stored is not None and made["key"].split("_", 2)[2] not in str(stored) + stored.secret_hash
    assert (await api.call("GET", "/keys/none")).status == 404
    assert (await api.call("DELETE", "/keys/none")).status == 404


@with_api
async def test_a_template_whose_messages_come_together_says_so(api: Api) -> None:
    fields = [{"key": key, "value": "${points}", "changeMessage": "%@"} for key in ("points", "same")]
    document = {"description": "d", "organizationName": "o", "storeCard": {"backFields": fields}}
    reply = await api.call("POST", "/templates?name=twice", body=folder_zip(document=document), media="application/zip")
    [problem] = reply.json()["problems"]
    assert (problem["rule"], problem["pointer"]) == ("change-message-shared", "/storeCard/backFields/1/changeMessage")
