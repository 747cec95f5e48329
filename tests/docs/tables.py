"""For each page with commands: what it begins with, what its placeholders stand for, what is left out and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeVar

T = TypeVar("T")

PASS_TYPE = "pass.com.example.gym"

EVERYWHERE = {
    "TYPE": PASS_TYPE,
    "SERIAL": "1001",
    "HOLDER": "crm-4711",
    "FILE.pkpass": "1001.pkpass",
    "NEXT.p12": "next.p12",
    "PASSWORD": "pw",
    "--password-file password": "--password-file pw",
    "TEMPLATE": "membership",
    "passes.example.com": "localhost:PORT",
    "/backups/newest": "backup.zip",
    "/backups": "$FILES",
}
"""What stands for something else on every page."""

MORE = {
    "livepass phone add": "--ca $FILES/root.pem",
    "livepass phone poll": "--ca $FILES/root.pem",
    "livepass holder erase": "--yes",
    "livepass support bundle": "--yes",
    "livepass console serve": "--port 0",
    "livepass apns emulate": "--port 0 --control-port 0",
    "livepass console user add": "--password-file $FILES/word",
    "livepass doctor 1001.pkpass": "--yes --ca $FILES/root.pem",
    "livepass doctor": "--ca $FILES/root.pem",
}
"""What a machine needs here whose roots are not Apple's, and where nobody sits to be asked."""


@dataclass(frozen=True)
class Page:
    """How one page is carried out.

    ``begins``: with ``files`` of somebody who has been at Apple's portal; a ``project`` with two passes; a ``service``
    that runs, with a phone that holds the first pass; or one that is ``serving``, and no phone. Lines are named by how
    they begin, those that stay up by all of it.
    """

    begins: str = "project"
    words: Mapping[str, str] = field(default_factory=dict)
    before: Sequence[str] = ()
    first: Mapping[str, Sequence[str]] = field(default_factory=dict)
    exit_: Mapping[str, int | tuple[int, ...]] = field(default_factory=dict)
    stays: Sequence[str] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    elsewhere: str = ""
    """The test that carries the page out, where the order of its lines is not the order of one scene."""

    @property
    def named(self) -> list[str]:
        """The beginnings of lines that the table speaks of."""
        return [*self.first, *self.exit_, *self.stays, *self.left_out]


def of(rows: Mapping[str, T], line: str, otherwise: T) -> T:
    """What the row says whose name is the longest that this line begins with."""
    name = max((name for name in rows if line.startswith(name)), key=len, default=None)
    return otherwise if name is None else rows[name]


ETAG = "export ETAG=$(livepass pass show TYPE/SERIAL --json | jq -r .etag)"
REACHING = 'export LIVEPASS_URL="$LIVEPASS_PUBLIC_URL" LIVEPASS_KEY="$(cat $FILES/secrets/admin.key)"'
KEY = 'export KEY="$(cat $FILES/secrets/admin.key)"'
DEMO = '"$TMPDIR"/livepass-demo-"$(id -u)".json'
POSTGRES = {"postgresql://livepass:…@db.internal/livepass": '"$POSTGRES"'}
DOCKER = "needs a Docker daemon; tests/deploy builds the image and reads compose.yaml"
HELM = "needs a cluster; scripts/deploy-check renders the chart and judges it"
SYSTEMD = "changes the machine; tests/deploy/test_units.py has systemd judge the units"
PROXIES = "changes the machine's proxy; tests/deploy runs these files in the real nginx and Caddy"
PYPI = "fetches from PyPI; tests/test_wheel.py installs the wheel"
DJANGO = "needs the database of a Django project; tests/moving/test_from_django.py has one"
SIGNED = "needs a portal that signs the request; tests/cli/test_without_a_mac.py has one"

DEMONSTRATION = Page(
    "files",
    words={
        "https://localhost:8420": f"$(jq -r .url {DEMO})",
        "--key … --ca …": f"--key $(jq -r .key {DEMO}) --ca $(jq -r .ca_file {DEMO})",
    },
    first={"livepass demo ": [f"until test -s {DEMO}; do sleep 0.2; done"]},
    stays=["livepass demo"],
)

PAGES: Mapping[str, Page] = MappingProxyType({
    "README.md": Page(
        "files",
        words={
            "pass.p12 --password-file pw": "../pass.p12 --password-file ../pw",
            "./scripts/demo": "livepass demo",
            "TEXT": "Unexpected response code 401",
        },
        stays=["livepass serve"],
        left_out={"./scripts/test": "these are all tests"},
    ),
    "docs/explanation/other-wallets.md": Page("service", words={"--every 60": "--every 1"}),
    "docs/how-to/back-up-and-restore.md": Page(
        words={"livepass-20261124T025630Z.zip": "$(ls livepass-*.zip)"},
        left_out={"livepass backup - | age": "needs age, and a key of somebody's"},
    ),
    "docs/how-to/break-a-round-trip.md": DEMONSTRATION,
    "docs/how-to/change-many-passes.md": Page(
        "service",
        before=[
            f"""echo '{{"pass_type": "{PASS_TYPE}", "serial": "m-1", "template": "membership","""
            """ "data": {"member_no": "1", "name": "Ada", "points": 2}}' > members.ndjson"""
        ],
        first={"curl": [REACHING]},
    ),
    "docs/how-to/check-any-service.md": Page(
        "service",
        words={"acme.pkpass": "1001.pkpass", "--apns-probe": "--apns-probe --apns-url $LIVEPASS_APNS_URL"},
        before=["livepass backup backup.zip"],
        left_out={"pytest --livepass-conformance": "tests/doctor runs the plugin"},
    ),
    "docs/how-to/get-help.md": Page(exit_={"livepass pass list --json |": 1}),
    "docs/how-to/get-a-certificate-without-a-mac.md": Page("project", left_out={"livepass cert import": SIGNED}),
    "docs/how-to/receive-webhooks.md": Page(elsewhere="tests/cli/test_webhook.py"),
    "docs/how-to/import-a-folder-of-passes.md": Page(
        before=[
            "mkdir passes && cp 1001.pkpass passes && livepass pass erase TYPE/1001 --yes",
            "echo pass_type,serial,device_id,push_token > phones.csv",
            "echo TYPE,1001,0123456789abcdef0123456789abcdef,$(printf 'ab%.0s' $(seq 32)) >> phones.csv",
        ],
    ),
    "docs/how-to/import-passes-from-a-file.md": Page(
        before=["printf 'number;name;points\\n2001;Ada;120\\n2002;Grace;80\\n' > members.csv"],
    ),
    "docs/how-to/languages-and-images.md": Page(
        before=[
            "cp -r templates/membership membership && cp 1001.pkpass guest.pkpass",
            "livepass pass issue TYPE/1003 --template membership member_no='\"3\"' name=Guest",
            "livepass pass build TYPE/1003 -o guest.pkpass",
        ],
        first={"livepass pass verify": ["test -s family.pkpasses"]},
        left_out={"pip install": PYPI},
    ),
    "docs/how-to/let-people-into-the-console.md": Page(stays=["livepass console serve"]),
    "docs/how-to/move-from-django-walletpass.md": Page(left_out={"livepass import": DJANGO}),
    "docs/how-to/move-to-postgresql.md": Page(words=POSTGRES, left_out={"psql": "makes what the harness has made"}),
    "docs/how-to/privacy-requests.md": Page(),
    "docs/how-to/push-with-a-key.md": Page(
        "service",
        stays=[
            f"livepass apns emulate --topic {PASS_TYPE} --apns-key ABC123DEFG:TEAM123456:AuthKey_ABC123DEFG.p8"
        ],
    ),
    "docs/how-to/put-it-in-your-application.md": Page(
        "files",
        words={"pass.p12 --password-file pw": "../pass.p12 --password-file ../pw"},
        left_out={"pip install": PYPI},
    ),
    "docs/how-to/recover-from-a-restore.md": Page(),
    "docs/how-to/repeat-and-race-safely.md": Page(
        "service",
        words={"'If-Match: \"5f0c…\"'": '"If-Match: $ETAG"', "5f0c…": "$ETAG"},
        before=[KEY],
        first={"curl -X PATCH": [ETAG], "livepass pass set": [ETAG]},
    ),
    "docs/how-to/rotate-the-secret-key.md": Page(),
    "docs/how-to/run-in-containers.md": Page(
        left_out={"docker": DOCKER, "LIVEPASS_SITE=": DOCKER, "kubectl": HELM, "helm": HELM},
    ),
    "docs/how-to/run-many-brands.md": Page(
        "files",
        words={
            "gym.p12": "pass.p12 --password-file pw",
            "membership/": "templates/membership/",
        },
        before=["livepass init && livepass db upgrade"],
    ),
    "docs/how-to/run-under-systemd.md": Page(
        left_out=dict.fromkeys(["python3 -m venv", "cp", "mkdir", "(umask", "systemctl", "set -a", "/opt"], SYSTEMD),
    ),
    "docs/how-to/see-a-pass-without-a-phone.md": Page(
        words={"badge.pkpass": "1001.pkpass"},
        left_out={"livepass pass preview templates/membership --open": "opens a browser; the next line writes one"},
    ),
    "docs/how-to/share-a-pass.md": Page("service", before=[KEY]),
    "docs/how-to/sign-up-for-rewards.md": Page(
        "serving",
        words={"root.pem": "$FILES/root.pem"},
        before=[
            "livepass template new storeCard templates/rewards",
            "cd templates/rewards && cp logo@2x.png personalizationLogo@2x.png"
            """ && jq '. + {"fullName": {"type": "string", "default": "Guest"}}' variables.json > v"""
            " && mv v variables.json"
            """ && jq '.storeCard.backFields += [{"key": "who", "value": "${fullName}"}]' pass.json > p"""
            " && mv p pass.json && cd ../..",
            """echo '{"description": "Join.", "requiredPersonalizationFields": ["PKPassPersonalizationFieldName","""
            """ "PKPassPersonalizationFieldEmailAddress"]}' > templates/rewards/personalization.json""",
        ],
        first={
            "livepass pass enrolments pass.com.example.gym --after": [
                "export CURSOR=$(livepass pass enrolments TYPE --json | jq -r .cursor | tail -n 1)"
            ],
            "curl": [REACHING],
        },
    ),
    "docs/how-to/stand-behind-a-proxy.md": Page(
        "service", left_out={"cp deploy/nginx": PROXIES, "LIVEPASS_SITE=": PROXIES}
    ),
    "docs/how-to/start-from-what-designers-have.md": Page(
        before=[
            "cp -r templates/membership Membership.pkpasstemplate && livepass template import 1001.pkpass club.pass",
            "cp 1001.pkpass card.pkpass",
        ],
    ),
    "docs/how-to/watch-with-a-canary.md": Page("service"),
    "docs/how-to/watch-with-prometheus.md": Page(stays=["livepass worker --metrics-port 9420"]),
    "docs/how-to/what-the-lock-screen-will-say.md": Page(),
    "docs/reference/console.md": Page(stays=["livepass console serve"]),
    "docs/reference/export-format.md": Page(),
    "docs/runbooks/apns-is-down.md": Page("service"),
    "docs/runbooks/apple-changes-the-intermediate.md": Page("service"),
    "docs/runbooks/everything-stopped-updating.md": Page(
        "service", exit_={"curl -i https://passes.example.com/wallet/v1/passes": 22}
    ),
    "docs/runbooks/leaked-token-or-key.md": Page("service"),
    "docs/runbooks/legal-erase-request.md": Page("service"),
    "docs/runbooks/move-to-another-host.md": Page(
        "service", words={"old.example.com": "localhost:PORT"}, exit_={"livepass migrate-url finish": 4}
    ),
    "docs/runbooks/my-pass-stopped-updating.md": Page("service", stays=["livepass pass timeline TYPE/SERIAL --follow"]),
    "docs/runbooks/pushed-too-often.md": Page("service"),
    "docs/runbooks/restore-from-a-backup.md": Page("service"),
    "docs/runbooks/rotate-the-certificate.md": Page(elsewhere="tests/cli/test_rotation_runbook.py"),
    "docs/runbooks/the-canary-fails.md": Page("service"),
    "docs/runbooks/take-over-a-service.md": Page("service", words={"one.pkpass": "1001.pkpass"}),
    "docs/runbooks/wrong-data-pushed.md": Page(
        "service",
        before=[
            f"""echo '{{"pass_type": "{PASS_TYPE}", "serial": "1002", "template": "membership","""
            """ "data": {"member_no": "1002", "name": "Grace"}}' > right.ndjson"""
        ],
    ),
    "docs/tutorials/first-five-minutes.md": DEMONSTRATION,
    "docs/tutorials/first-hour.md": Page(
        "files",
        words={"pass.p12 --password-file pw": "../pass.p12 --password-file ../pw", "root.pem": "$FILES/root.pem"},
        stays=["livepass serve"],
    ),
    "docs/running.md": Page(words=POSTGRES, stays=["livepass serve --no-worker", "livepass worker"]),
})  # fmt: skip
