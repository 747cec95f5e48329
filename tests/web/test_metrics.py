"""Metrics are what Prometheus' text format 0.0.4 allows, read by a parser that forgives nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest

from core.test_watch_told import LIVE, NOW, signature, tls
from livepass.core.watch_told import HELP, survey
from livepass.core.watching import Problem, What
from livepass.web.app import METRICS
from livepass.web.metrics import exposition, of_certificates, of_process

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"')
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? (-?[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?|NaN|[+-]Inf)")
SUFFIX = {"counter": "_total"}
Labels = tuple[tuple[str, str], ...]


@dataclass
class Family:
    """One metric: its type, its help, and its samples by labels."""

    kind: str
    help: str
    samples: dict[Labels, float] = field(default_factory=dict)


def parsed(text: str) -> Mapping[str, Family]:
    """Raises ``ValueError`` for whatever the format does not allow, or promtool complains of."""
    if not text.endswith("\n") or "\r" in text:
        raise ValueError("each line ends with a line feed, also the last one")
    found: dict[str, Family] = {}
    helped = ""
    for number, line in enumerate(text[:-1].split("\n"), 1):
        if line.startswith("# HELP "):
            name, _, said = line.removeprefix("# HELP ").partition(" ")
            if name in found or not re.fullmatch(NAME, name) or re.search(r"\\(?![\\n])", said) or not said:
                raise ValueError(f"line {number}: HELP of {name!r}")
            helped, text_of = name, said
        elif line.startswith("# TYPE "):
            name, _, kind = line.removeprefix("# TYPE ").partition(" ")
            if (
                name != helped
                or kind not in ("counter", "gauge", "histogram")
                or not name.endswith(SUFFIX.get(kind, ""))
            ):
                raise ValueError(f"line {number}: TYPE of {name!r}")
            found[name] = Family(kind, text_of)
        else:
            sample = SAMPLE.fullmatch(line)
            parts = ("_bucket", "_sum", "_count") if helped in found and found[helped].kind == "histogram" else ("",)
            if sample is None or helped not in found or sample[1] not in [helped + part for part in parts]:
                raise ValueError(f"line {number} is no sample of {helped!r}: {line!r}")
            labels = _labels(sample[2] or "", number)
            if sample[1] != helped:
                labels = (("part", sample[1].removeprefix(helped)), *labels)
            if labels in found[helped].samples:
                raise ValueError(f"line {number} is there twice")
            found[helped].samples[labels] = float(sample[3])
    return found


def _labels(text: str, number: int) -> Labels:
    labels: list[tuple[str, str]] = []
    at = 0
    while at < len(text):
        label = LABEL.match(text, at)
        if label is None or (at and text[at - 1] != ","):
            raise ValueError(f"line {number}: labels {text!r}")
        value = re.sub(r"\\(.)", lambda each: "\n" if each[1] == "n" else each[1], label[2])
        labels.append((label[1], value))
        at = label.end() + 1
    if len(dict(labels)) != len(labels):
        raise ValueError(f"line {number}: a label twice")
    return tuple(sorted(labels))


def of(kind: str, pass_type: str = "") -> Labels:
    return (("kind", kind), ("pass_type", pass_type))


def test_what_is_measured() -> None:
    told = survey([[LIVE]], [signature(), tls(problem=Problem.WRONG_NAME), tls(What.APNS_TLS)], NOW)
    found = parsed(exposition(of_process("1.2.3", 1_234_567), of_certificates(told)))
    assert found["livepass_build_info"].samples == {(("version", "1.2.3"),): 1}
    assert found["process_start_time_seconds"].samples == {(): 1234.567}
    [cpu] = found["process_cpu_seconds_total"].samples.values()
    assert cpu > 0
    ends = found["livepass_certificate_not_after_timestamp_seconds"].samples
    assert set(ends) == {
        of("certificate", "pass.test"),
        of("intermediate", "pass.test"),
        of("public_tls"),
        of("apns_tls"),
    }
    assert ends[of("certificate", "pass.test")] == LIVE.not_after / 1000
    sound = found["livepass_certificate_sound"].samples
    assert (sound[of("certificate", "pass.test")], sound[of("public_tls")], sound[of("apns_tls")]) == (1, 0, 1)
    assert found["livepass_certificate_revoked"].samples == {of("certificate", "pass.test"): 0}
    assert set(found) >= set(HELP)


def test_labels_name_kinds_and_pass_types_and_nobody() -> None:
    told = survey([[replace(LIVE, id="5d91fd5593491192")]], [tls(), tls(What.APNS_TLS)], NOW)
    text = exposition(of_process("1", 0), of_certificates(told))
    assert "5d91fd5593491192" not in text
    names = {name for family in parsed(text).values() for labels in family.samples for name, _ in labels}
    assert names == {"kind", "pass_type", "version"}


@pytest.mark.parametrize("odd", ['a"b', "a\\b", "a\nb", 'x"} 1\ny{z="', "é\\n"])
def test_whatever_stands_in_a_label_comes_back(odd: str) -> None:
    """Pass types have no such characters; nothing here relies on that."""
    found = parsed(exposition(of_process(odd, 0), of_certificates(survey([[replace(LIVE, pass_type=odd)]], [], NOW))))
    assert of("certificate", odd) in found["livepass_certificate_revoked"].samples
    assert found["livepass_build_info"].samples == {(("version", odd),): 1}


def test_with_nothing_known_it_is_still_well_formed() -> None:
    found = parsed(exposition(of_process("1", 0), of_certificates([])))
    assert all(found[name].samples == {} for name in HELP)


@pytest.mark.parametrize(
    "wrong",
    [
        "# HELP a b\n# TYPE a gauge\na 1",
        "# HELP a b\n# TYPE a gauge\nb 1\n",
        "# HELP a b\n# TYPE a gauge\na 1\na 1\n",
        '# HELP a b\n# TYPE a gauge\na{x="1"y="2"} 1\n',
        '# HELP a b\n# TYPE a gauge\na{x="1\\z"} 1\n',
        "# HELP a b\n# TYPE a counter\na 1\n",
        "# HELP a b\na 1\n",
        "# HELP a b\n# TYPE a gauge\na one\n",
    ],
)
def test_the_parser_forgives_nothing(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"line|TYPE"):
        parsed(wrong)


def test_the_media_type_names_the_version_of_the_format() -> None:
    assert METRICS == b"text/plain; version=0.0.4; charset=utf-8"
