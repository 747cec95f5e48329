"""``scripts/deploy-check``: Dockerfile, compose.yaml and the chart, judged by hadolint, the Compose specification, Helm
and the schemas of Kubernetes.

Runs in an environment of its own, so it imports nothing of livepass. Says each thing that is wrong; exit 1 for any.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import compose_spec
import helm_python
import kubernetes_validate
import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
CHART = DEPLOY / "helm/livepass"
KUBERNETES = ("1.25", "1.31", "1.34")
PLAIN = {"publicUrl": "https://passes.example.com"}
FULL = {
    **PLAIN,
    "imagePullSecrets": [{"name": "registry"}],
    "console": {"enabled": True},
    "worker": {"replicas": 3, "nodeSelector": {"disk": "ssd"}, "tolerations": [{"operator": "Exists"}]},
    "settings": {"LIVEPASS_PHONES_PER_PASS": "0"},
    "ingress": {"enabled": True, "className": "nginx", "host": "passes.example.com", "tlsSecret": "tls"},
}
ONE = {**PLAIN, "web": {"replicas": 1}}
REFUSED: Mapping[str, dict[str, Any]] = {
    "no address": {},
    "plain http": {"publicUrl": "http://passes.example.com"},
    "a slash at the end": {"publicUrl": "https://passes.example.com/"},
    "an unknown value": {**PLAIN, "webb": {}},
    "an unknown value inside": {**PLAIN, "web": {"replica": 3}},
    "a setting of somebody else": {**PLAIN, "settings": {"PATH": "/bin"}},
    "an ingress without a host": {**PLAIN, "ingress": {"enabled": True, "tlsSecret": "tls"}},
}


def main() -> int:
    wrong = [*_dockerfile(), *_compose(), *_chart(), *_would_notice()]
    for one in wrong:
        print(f"✗ {one}")
    if not wrong:
        print("Dockerfile, compose.yaml and the chart: nothing is wrong")
    return 1 if wrong else 0


def _dockerfile() -> Iterator[str]:
    linter = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([linter, DEPLOY / "Dockerfile"], capture_output=True, text=True)
    if done.returncode:
        yield done.stdout + done.stderr


def _compose() -> Iterator[str]:
    # As Compose does it, before it reads anything.
    text = re.sub(r"\$\{LIVEPASS_SITE(:\?[^}]*)?\}", "passes.example.com", (DEPLOY / "compose.yaml").read_text())
    try:
        _composed(text)
    except ValueError as error:
        yield f"compose.yaml: {error}"


def _composed(text: str) -> None:
    options = compose_spec.PyOptions()
    options.apply_merge = True
    options.from_yaml(text).validate()


# ── the chart


def _chart() -> Iterator[str]:
    report = helm_python.lint(CHART, FULL, strict=True)
    yield from (f"helm lint: {one['error']}" for one in report["messages"] if one["severity"] > 1)
    for name, values in (("plain", PLAIN), ("full", FULL), ("one", ONE)):
        documents = rendered(values)
        for document in documents:
            where = f"{name}: {document['kind']} {document['metadata']['name']}"
            yield from (f"{where}: {one}" for one in (*_valid(document), *_secured(document)))
        yield from (f"{name}: {one}" for one in _together(documents))
    kinds = [(one["kind"], one["metadata"]["name"]) for one in rendered(FULL)]
    for wanted in (("Deployment", "x-console"), ("Ingress", "x"), ("PodDisruptionBudget", "x-web")):
        if wanted not in kinds:
            yield f"full: no {wanted}"
    if any(one["kind"] in ("Ingress", "PodDisruptionBudget") or "console" in str(one) for one in rendered(ONE)):
        yield "one: something is there that nobody asked for"
    for name, values in REFUSED.items():
        try:
            rendered(values)
        except helm_python.HelmError:
            continue
        yield f"the chart takes {name}"


def rendered(values: dict[str, Any]) -> list[dict[str, Any]]:
    """Every manifest, as Helm makes it. Raises ``HelmError`` for values that its schema refuses."""
    with helm_python.Chart.load(CHART) as chart:
        chart.validate_schema(chart.merge_values(values))
        texts = chart.render(values, name="x", namespace="passes")
    return [one for name, text in texts.items() if name.endswith(".yaml") for one in yaml.safe_load_all(text) if one]


def _valid(document: dict[str, Any]) -> Iterator[str]:
    for version in KUBERNETES:
        try:
            kubernetes_validate.validate(document, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            yield f"Kubernetes {version}: {error.message}"


def _would_notice() -> Iterator[str]:
    """Judges that take everything would say nothing either."""
    document = next(one for one in rendered(PLAIN) if one["kind"] == "Deployment")
    document["spec"]["replica"] = 3
    if len(list(_valid(document))) != len(KUBERNETES):
        yield "the schemas of Kubernetes take a key that there is not"
    try:
        _composed("services: {web: {image: x, commands: [y]}}")
    except ValueError:
        return
    yield "the Compose specification takes a key that there is not"


def _pod(document: dict[str, Any]) -> dict[str, Any] | None:
    template = document.get("spec", {}).get("template")
    return template["spec"] if template else None


def _secured(document: dict[str, Any]) -> Iterator[str]:
    """No root, nothing written but /tmp, no privilege, no token of the cluster."""
    pod = _pod(document)
    if pod is None:
        return
    if pod["automountServiceAccountToken"] or not pod["securityContext"]["runAsNonRoot"]:
        yield "it may be root, or holds a token of the cluster"
    for container in pod["containers"]:
        allowed = container["securityContext"]
        if not allowed["readOnlyRootFilesystem"] or allowed["allowPrivilegeEscalation"]:
            yield "its files can be written, or it may gain rights"
        if allowed["capabilities"] != {"drop": ["ALL"]}:
            yield "it keeps capabilities"
        if not container["resources"].get("limits", {}).get("memory"):
            yield "its memory has no limit"
        if {one["name"] for one in container["volumeMounts"]} != {one["name"] for one in pod["volumes"]}:
            yield "a volume is not mounted"


def _together(documents: list[dict[str, Any]]) -> Iterator[str]:
    """Selectors select, ports lead somewhere, phones see nothing but their own paths, and ends are waited for."""
    pods = {one["metadata"]["name"]: one for one in documents if one["kind"] == "Deployment"}
    labels = {name: one["spec"]["template"]["metadata"]["labels"] for name, one in pods.items()}
    for one in documents:
        if one["kind"] in ("Service", "PodDisruptionBudget", "Deployment"):
            wanted = one["spec"]["selector"]
            wanted = wanted.get("matchLabels", wanted)
            chosen = [name for name, has in labels.items() if wanted.items() <= has.items()]
            if chosen != [one["metadata"]["name"]]:
                yield f"{one['kind']} {one['metadata']['name']} selects {chosen}"
        if one["kind"] == "Ingress":
            for rule in one["spec"]["rules"]:
                if {path["path"] for path in rule["http"]["paths"]} - {"/wallet", "/p"}:
                    yield "the ingress lets more through than phones need"
    web = _pod(pods["x-web"]) or {}
    [container] = web["containers"]
    probes = {name: container[f"{name}Probe"]["httpGet"] for name in ("liveness", "readiness", "startup")}
    if {name: probe["path"] for name, probe in probes.items()} != {
        "liveness": "/livez",
        "readiness": "/readyz",
        "startup": "/livez",
    }:
        yield f"probes: {probes}"
    pause = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    if web["terminationGracePeriodSeconds"] < pause + 20:
        yield "a process is killed before it has finished what is under way"


if __name__ == "__main__":
    sys.exit(main())
