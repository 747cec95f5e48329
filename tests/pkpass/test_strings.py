"""pass.strings: what is written is read back, by us and by the emulated phone; what is wrong is told with its place."""

from __future__ import annotations

import contextlib
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livepass.emulators.iphone.package import Package
from livepass.pkpass import InvalidPackage
from livepass.pkpass.strings import (
    LARGEST,
    LONGEST,
    MOST_PAIRS,
    StringsProblem,
    read_pairs,
    read_strings,
    strings_bytes,
)

TEXT = st.text(max_size=12) | st.sampled_from(
    ['"', "\\", "a\nb", "\u2028", "\ufeff", "🙂", "\\U0041", "/* */", "%@", ""]
)


@given(st.dictionaries(TEXT, TEXT, max_size=6))
def test_what_is_written_is_read(texts: dict[str, str]) -> None:
    data = strings_bytes(texts)
    assert read_strings(data) == texts and list(read_strings(data)) == list(texts)
    assert data[:2] == b"\xff\xfe", "UTF-16 with its mark, on every host"


def spelled(text: str, chance: random.Random) -> str:
    """One of the many ways to write a string."""
    if text and text.isascii() and text.isalnum() and chance.random() < 0.5:
        return text
    quote = chance.choice("\"'")
    pieces = []
    for each in text:
        if each in (quote, "\\"):
            pieces.append(f"\\{each}")
        elif chance.random() < 0.2:
            units = each.encode("utf-16-be")
            pieces += [f"\\U{units[at : at + 2].hex()}" for at in range(0, len(units), 2)]
        elif ord(each) < 128 and chance.random() < 0.2:
            pieces.append(f"\\{ord(each):03o}")
        else:
            pieces.append(each)
    return quote + "".join(pieces) + quote


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(TEXT, TEXT, max_size=5),
    st.integers(0, 2**32),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "be"]),
)
def test_every_spelling_means_the_same(texts: dict[str, str], seed: int, encoding: str) -> None:
    chance = random.Random(seed)

    def between() -> str:
        return "".join(
            chance.choices([" ", "\n", "\r\n", "\t", ' /* c ; " */', " /***/", ' // d = ";\n'], k=chance.randrange(3))
        )

    lines = []
    for key, value in texts.items():
        parts = [spelled(key, chance), "=", spelled(value, chance), ";"]
        if key == value and chance.random() < 0.5:
            parts = [spelled(key, chance), ";"]
        lines.append("".join(between() + part for part in parts))
    body = "".join(lines) + between()
    if chance.random() < 0.3:
        body = between() + "{" + body + "}" + between()
    encoded = b"\xfe\xff" + body.encode("utf-16-be") if encoding == "be" else body.encode(encoding)
    assert read_strings(encoded) == texts


def test_the_emulated_phone_reads_what_is_written() -> None:
    """Its reader is another, and shares no code with ours."""
    texts = {"Points": "Punkte für dich", "Now %@": "Jetzt „%@“\nneu", 'a "quote"': "back\\slash 🙂"}
    phone = Package(b"", {}, "", {"de.lproj/pass.strings": strings_bytes(texts)})
    assert phone.strings("de") == texts


@pytest.mark.parametrize(
    ("text", "texts"),
    [
        ('"a" = "b";', {"a": "b"}),
        ("a = b;", {"a": "b"}),
        ("pass.title = 12.5/3;", {"pass.title": "12.5/3"}),
        ("'a' = 'it\\'s';", {"a": "it's"}),
        ('"only";', {"only": "only"}),
        (r'"a" = "\U00e9\t\101\\\"";', {"a": 'é\tA\\"'}),
        (r'"a" = "\Ud83d\Ude42";', {"a": "🙂"}),
        ('"a" = "1"; "a" = "2";', {"a": "2"}),
        ('"a"="line\\\nend";', {"a": "line\nend"}),
        ("/* nothing */ // at all", {}),
        ("", {}),
        ("{}", {}),
    ],
)
def test_these_are_read(text: str, texts: dict[str, str]) -> None:
    assert read_strings(text.encode()) == texts


# text → where, and words of what is said
WRONG = [
    ('"a" = "b"', (1, 10), "; is missing"),
    ('"a" = "b";\n"c" "d";', (2, 5), "; is missing"),
    ('"a" = "b";\r\n\r\n  "c" = ;', (3, 9), "';' stands where a text should be"),
    ('"a" = "b";\r\r= "c";', (3, 1), "'=' stands where a key"),
    ('"a" =', (1, 6), "the file ends where a text"),
    ('"a" = "b;\n', (1, 7), "a string that begins here never ends"),
    ("\n 'a", (2, 2), "a string that begins here never ends"),
    ('"a" = "b"; /* c', (1, 12), "a comment that begins here never ends"),
    (r'"a" = "xy\q";', (1, 10), r"\\q is no escape"),
    (r'"a" = "\u00e9";', (1, 8), r"\\u is no escape"),
    (r'"a" = "\U00e";', (1, 8), r"\\U is no escape"),
    (r'"a" = "\9";', (1, 8), r"\\9 is no escape"),
    ('"a" = "\\٣";', (1, 8), r"\\٣ is no escape"),
    (r'"a" = "\200";', (1, 8), r"\\200 is no escape"),
    (r'"a" = "\Ud83d";', (1, 7), "half a character"),
    (r'"ä" = "\Ude42\Ud83d";', (1, 7), "half a character"),
    ("ä = b;", (1, 1), "'ä' stands where a key"),
    ("{ a = b;", (1, 9), "never closed"),
    ("{ a = b; } c", (1, 12), "follows the closing"),
    ('<?xml version="1.0"?>', (1, 1), "'<' stands"),
    ('"a" = ( "b" );', (1, 7), "'\\(' stands"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "place", "said"), WRONG)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_what_is_wrong_is_told_with_its_place(text: str, place: tuple[int, int], said: str, encoding: str) -> None:
    with pytest.raises(StringsProblem, match=said) as error:
        read_pairs(text.encode(encoding))
    assert (error.value.line, error.value.column) == place and error.value.kind == "syntax"
    assert str(error.value).startswith(f"line {place[0]}, column {place[1]}: ") and error.value.hint


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\xe4", "neither"),
        (b"\xff\xfe\x00", "neither"),
        (b'\xff\xfe"\x00\x00\xd8"\x00', "neither"),
        ('"a" = "b";'.encode("utf-16-le"), "without its mark"),
        ('"a" = "b";'.encode("utf-16-be"), "without its mark"),
        (b"bplist00\xd1", "compiled"),
    ],
)
def test_what_is_no_text_is_told(data: bytes, said: str) -> None:
    with pytest.raises(StringsProblem, match=said) as error:
        read_pairs(data)
    assert (error.value.kind, error.value.line) == ("encoding", 0) and error.value.hint


def test_places_of_keys() -> None:
    pairs = read_pairs(b'/* a\n */ "b" = "c";\n\n  d = e; f;')
    assert [(each.key, each.line, each.column) for each in pairs] == [("b", 2, 5), ("d", 4, 3), ("f", 4, 10)]


def test_there_are_limits() -> None:
    most = "a;" * MOST_PAIRS
    assert len(read_pairs(most.encode())) == MOST_PAIRS
    longest = "a" * LONGEST
    assert read_strings(f"{longest};".encode()) == {longest: longest}
    for text, said in (
        (most + "a;", "more than 10000"),
        (f"a{longest};", "a key has 16385"),
        (" " * (LARGEST + 1), "bytes"),
    ):
        with pytest.raises(StringsProblem, match=said) as error:
            read_pairs(text.encode())
        assert error.value.kind == "limit" and error.value.hint


@given(st.text(alphabet="\"'\\\n/*= ;{}aU0é", max_size=40))
def test_it_raises_nothing_else(text: str) -> None:
    try:
        texts = read_strings(text.encode())
    except StringsProblem:
        return
    assert read_strings(strings_bytes(texts)) == texts


@pytest.mark.parametrize(
    "piece", ["/*", "/**/", "//\n", '"', "'", '"\\', "a;", "{", "\\U", "*/", "a=", "\r", "\n\n a;"]
)
@pytest.mark.timeout(20)
def test_hostile_text_costs_linear_time(piece: str) -> None:
    """As much of it as is read: what tries again from every place takes hours."""
    with contextlib.suppress(StringsProblem):
        read_pairs((piece * (LARGEST // len(piece))).encode())
    with contextlib.suppress(StringsProblem):
        read_pairs((piece * 9_000).encode())


def test_half_a_character_cannot_be_written() -> None:
    with pytest.raises(InvalidPackage, match="half a character"):
        strings_bytes({"a": "\ud83d"})
