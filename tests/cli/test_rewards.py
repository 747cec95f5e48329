"""Rewards on the command line: a phone signs up with a card, and the issuer reads what was given."""

from __future__ import annotations

import json
from pathlib import Path

from cli.test_remote import running
from service.rewards import rewards

TYPE = "pass.test.livepass"
NAME = f"{TYPE}/1001"


def test_signing_up_and_reading_what_was_given(livepass, tls: Path):
    livepass("init", "--public-url", "https://wallet.example.com")
    livepass("db", "upgrade")
    words = ("serve", "--port", "0", "--tls-cert", "tls.pem", "--tls-key", "tls.key")
    with running(tls, *words) as (_, ready):  # only a running service knows its free port, and passes carry it
        address = ready["address"]
    words = ("serve", "--port", address.rpartition(":")[2], *words[3:])
    with running(tls, *words, LIVEPASS_PUBLIC_URL=address):
        far = ("--url", address, "--key", Path("secrets/admin.key").read_text().strip(), "--ca", "root.pem")
        livepass(*far, "cert", "import", "pass.p12", "--password-file", "password")
        folder = Path("templates/rewards")
        for path, data in rewards().files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        livepass("template", "import", str(folder), *far)
        for serial in ("1001", "1002"):
            livepass("pass", "issue", f"{TYPE}/{serial}", "--template", "rewards", "points=5", *far)
            livepass("pass", "build", f"{TYPE}/{serial}", "-o", f"{serial}.pkpass", *far)
        assert livepass("pass", "enrolment", NAME, *far).out.strip() == "nobody has signed up with it"

        added = livepass("phone", "add", "1001.pkpass", "--ca", "root.pem")
        assert f"livepass phone personalize {NAME} fullName=" in added.err
        assert livepass("phone", "add", "1002.pkpass", "--json").json["offers"][0] == "fullName"
        assert "not KEY=VALUE" in livepass("phone", "personalize", NAME, "Ada", exit_=2).err
        assert "shoeSize" in livepass("phone", "personalize", NAME, "shoeSize=38", exit_=1).err
        given = ("fullName=Ada Lovelace", "emailAddress=ada@example.com", "phoneNumber=+43 1 1")
        done = livepass("phone", "personalize", NAME, *given, "--json").json
        assert (done["status"], done["offers"]) == (200, [])
        assert livepass("phone", "show", NAME, "--json").json["fields"]["member"] == "Ada Lovelace"
        assert "offers no sign-up" in livepass("phone", "personalize", NAME, exit_=1).err

        [row] = livepass("pass", "enrolment", NAME, *far, "--json").rows
        assert row["info"] == {"fullName": "Ada Lovelace", "emailAddress": "ada@example.com"}
        assert "Ada Lovelace" in livepass("pass", "enrolment", NAME, *far).out
        [row] = livepass("pass", "enrolments", TYPE, *far, "--json").rows
        after = ("pass", "enrolments", TYPE, "--after", row["cursor"], *far)
        assert livepass(*after).out.strip() == "nothing new"
        assert "is signed up" in livepass("phone", "personalize", f"{TYPE}/1002", "fullName=Charles").out
        assert [each["serial"] for each in livepass(*after, "--json").rows] == ["1002"]
        said = livepass("pass", "timeline", NAME, *far, "--json").out
        assert '"personalized"' in said and "Lovelace" not in said
        said = livepass("pass", "timeline", NAME, *far).out
        assert "personalized" in said and "fullName, emailAddress" in said and "Lovelace" not in said
        shown = livepass("pass", "show", NAME, *far, "--json").json
        assert "⟦fullName⟧" in json.dumps(shown, ensure_ascii=False)
        livepass("pass", "erase", NAME, "--yes", *far)
        assert [each["serial"] for each in livepass("pass", "enrolments", TYPE, *far, "--json").rows] == ["1002"]
