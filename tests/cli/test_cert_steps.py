"""``livepass cert``: the steps of a certificate's life as they are typed, and what is said when one is not taken."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.conftest import PASS_TYPE as TYPE
from livepass.emulators.authority import Authority


@pytest.fixture
def two(project, files: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch):
    """A certificate that signs, and one that is staged; nobody is where APNs should be. The ids."""
    monkeypatch.setenv("LIVEPASS_APNS_URL", "https://127.0.0.1:9")
    (files / "next.p12").write_bytes(authority.pass_certificate(TYPE, "TEAM123456", days=200).p12("correct horse"))
    [first] = project("cert", "list", "--json").rows
    second = project("cert", "import", "next.p12", "--password-file", "password", "--json").json
    assert (first["signs"], second["state"], second["signs"]) == (True, "staged", False)
    return first["id"], second["id"]


def test_each_refusal_says_what_to_do(project, two):
    first, second = two
    for words, said, hint in (
        (("promote", second), f"certificate {second} is staged", f"hint: prove it first: livepass cert prove {second}"),
        (("canary", second), f"certificate {second} is staged", f"hint: prove it first: livepass cert prove {second}"),
        (("canary", first, "5"), f"certificate {first} is live", "roll it back first"),
        (("rollback", second), f"certificate {second} is staged", "only what is live can be rolled back"),
        (("rollback", first), f"without certificate {first} no other would sign {TYPE}", "promote another one first"),
        (("retire", first), f"without certificate {first} no other would sign {TYPE}", "promote another one first"),
        (("prove", second), "it signs; whether APNs takes it is not known: Unreachable", "livepass doctor"),
        (("prove", "nothing"), "0 certificates have an id that starts with nothing", "livepass cert list"),
    ):
        err = project("cert", *words, exit_=1).err
        assert said in err and hint in err, err
    project("cert", "canary", second, "51", exit_=2)


def test_steps_are_shown(project, two):
    first, second = two
    said = project("cert", "promote", first[:8]).out
    assert f"it signs and pushes for {TYPE} now" in said and "live, signs" in said
    assert "it is not used any more" in project("cert", "retire", second).out
    assert "retired" in project("cert", "list").out
    assert "import it again" in project("cert", "prove", second, exit_=1).err


def test_the_plan_says_what_stops_and_what_goes_on(project, two):
    _, second = two
    said = project("cert", "plan").out
    assert f"{TYPE}: 0 passes, 0 registrations" in said
    for line in ("is the last one live, and it ends", "no new pass and no update", "phones register and ask"):
        assert line in " ".join(said.split())
    [plan] = project("cert", "plan", "--type", TYPE, "--json").json["data"]
    assert [date["stops"] != "nothing" for date in plan["dates"]] == [False, True]
    assert second not in plan["dates"][0]["do"], "it ends before"
    assert project("cert", "plan", "--type", "pass.test.other", "--json").json["data"] == []
