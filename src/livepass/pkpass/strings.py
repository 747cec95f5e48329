"""``pass.strings``: the texts of one language, read with the place of whatever is wrong, and written.

The old property list of NeXT, of which a strings file is a list of pairs:

    pairs     "key" = "value";    also key = value; and "key"; (its own value), and all of it within { }
    strings   "double" or 'single' quotes, or none around letters, digits and _ $ : . - /
    escapes   \\a \\b \\f \\n \\r \\t \\v \\" \\' \\\\, \\Uxxxx (UTF-16, so two for an emoji), \\ooo (octal, ASCII)
    comments  /* … */ and // …
    bytes     UTF-16 with its mark, or UTF-8 with or without

Sources: Apple, Wallet Passes, "Creating the Source for a Pass" (UTF-16 for what is not ASCII; UTF-8 works in practice,
which Apple does not say), and Apple's archived "Old-Style ASCII Property Lists". Hostile input costs linear time.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from livepass.pkpass.errors import InvalidPackage
from livepass.pkpass.limits import MIB

LARGEST = MIB  # bytes of a file
MOST_PAIRS = 10_000
LONGEST = 16_384  # characters of a key or a value, as written

Kind = Literal["encoding", "syntax", "limit"]

# Possessive: what was once taken is never tried again.
_BETWEEN = re.compile(r"(?:[ \t-\r\u2028\u2029]++|//[^\n\r\u2028\u2029]*+|/\*(?:[^*]++|\*(?!/))*+\*/)*+")
_PLAIN = re.compile(r"[A-Za-z0-9_$:./-]++")
_QUOTED = {
    '"': re.compile(r'"((?:[^"\\]++|\\.)*+)"', re.DOTALL),
    "'": re.compile(r"'((?:[^'\\]++|\\.)*+)'", re.DOTALL),
}
_ESCAPE = re.compile(r"\\(?:U([0-9A-Fa-f]{4})|([0-7]{1,3})|(.))", re.DOTALL)
_LINE_END = re.compile(r"\r\n|[\n\r\u2028\u2029]")
_MEANING = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_MEANING |= {each: each for each in "\"'\\\n"}
_LAST_ASCII = 0x7F  # beyond, octal counts in NeXT's own character set

_WRITTEN = re.compile(r'["\\\x00-\x1f\x7f\u2028\u2029\ufeff]')
_SHORT = {'"': r"\"", "\\": r"\\", "\n": r"\n", "\r": r"\r", "\t": r"\t"}


@dataclass(frozen=True, slots=True)
class Pair:
    """One line of a file; ``line`` and ``column`` (from 1, in characters) tell where its key begins."""

    key: str
    value: str
    line: int
    column: int


class StringsProblem(ValueError):
    """``str`` is what is wrong; ``kind``: "encoding" (then there is no place), "syntax" or "limit"."""

    def __init__(self, kind: Kind, reason: str, hint: str, line: int = 0, column: int = 0) -> None:
        super().__init__(f"line {line}, column {column}: {reason}" if line else reason)
        self.kind = kind
        self.hint = hint
        self.line = line
        self.column = column


def read_pairs(data: bytes) -> list[Pair]:
    """Every pair, in the order of the file. Raises ``StringsProblem`` and nothing else."""
    if len(data) > LARGEST:
        raise StringsProblem("limit", f"the file has {len(data)} bytes", f"at most {LARGEST} are read")
    return _Reader(_decoded(data)).pairs()


def read_strings(data: bytes) -> dict[str, str]:
    """Key → text. Of a key that is there twice the last counts: Apple does not say; lint tells of it."""
    return {pair.key: pair.value for pair in read_pairs(data)}


def strings_bytes(texts: Mapping[str, str]) -> bytes:
    """The file for these texts, in their order: UTF-16 with its mark, the same bytes on every host.

    Raises ``InvalidPackage`` for half a surrogate pair, which no encoding can say.
    """
    text = "".join(f'"{_escaped(key)}" = "{_escaped(value)}";\n' for key, value in texts.items())
    try:
        return codecs.BOM_UTF16_LE + text.encode("utf-16-le")
    except UnicodeEncodeError as error:
        raise InvalidPackage(
            f"a text of pass.strings holds half a character ({text[error.start]!r})", "write whole characters"
        ) from error


def _escaped(text: str) -> str:
    return _WRITTEN.sub(lambda match: _SHORT.get(match[0]) or f"\\U{ord(match[0]):04x}", text)


def _decoded(data: bytes) -> str:
    if data.startswith(b"bplist"):
        raise StringsProblem("encoding", "the file is a compiled property list", "use the text it was made from")
    marked = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if marked else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise StringsProblem(
            "encoding", "the file is neither UTF-16 with its mark nor UTF-8", "save it as UTF-16 or UTF-8"
        ) from error
    if not marked and "\0" in text[:2]:
        raise StringsProblem("encoding", "the file is UTF-16 without its mark", "save it as UTF-16 with its mark")
    return text


class _Reader:
    """Goes through one text from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self._counted = (0, 1, 0)  # up to where lines are counted, the line there, where that line begins

    def pairs(self) -> list[Pair]:
        found: list[Pair] = []
        self._skip()
        braced = self._take("{")
        while self.at < len(self.text) and not (braced and self.text[self.at] == "}"):
            if len(found) == MOST_PAIRS:
                raise self._problem("limit", f"more than {MOST_PAIRS} texts", "remove what no pass uses")
            found.append(self._pair())
        if braced and not self._take("}"):
            raise self._problem("syntax", "the { at the beginning is never closed", "write } at the end")
        if self.at < len(self.text):
            raise self._problem("syntax", "something follows the closing }", "end the file with it")
        return found

    def _pair(self) -> Pair:
        line, column = self._place(self.at)
        key = value = self._string("a key")
        if self._take("="):
            value = self._string("a text")
        if not self._take(";"):
            raise self._problem("syntax", "; is missing after a text", 'write "key" = "value"; with a semicolon')
        return Pair(key, value, line, column)

    def _string(self, what: str) -> str:
        quote = self.text[self.at : self.at + 1]
        match = _QUOTED.get(quote, _PLAIN).match(self.text, self.at)
        if match is None and quote in _QUOTED:
            raise self._problem("syntax", "a string that begins here never ends", f"close it with {quote}")
        if match is None:
            seen = f"{quote!r} stands" if quote else "the file ends"
            raise self._problem("syntax", f"{seen} where {what} should be", 'write "key" = "value";')
        if len(match[0]) > LONGEST:
            raise self._problem("limit", f"{what} has {len(match[0])} characters", f"at most {LONGEST} are read")
        value = match[0] if match.re is _PLAIN else self._unescaped(match[1])
        self.at = match.end()
        self._skip()
        return value

    def _unescaped(self, raw: str) -> str:
        if "\\" not in raw:
            return raw
        value = "".join(self._pieces(raw))
        try:
            return value.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError as error:
            raise self._problem(
                "syntax", "half a character is written as \\U", "write both halves of the pair, or the character itself"
            ) from error

    def _pieces(self, raw: str) -> Iterator[str]:
        done = 0
        for match in _ESCAPE.finditer(raw):
            yield raw[done : match.start()]
            done = match.end()
            unit, octal, letter = match.groups()
            if unit:
                yield chr(int(unit, 16))
            elif octal and int(octal, 8) <= _LAST_ASCII:
                yield chr(int(octal, 8))
            elif letter in _MEANING:
                yield _MEANING[letter]
            else:
                self.at += 1 + match.start()
                raise self._problem(
                    "syntax", f"{match[0]} is no escape", 'write \\n, \\t, \\\\, \\" or \\U and four hex digits'
                )
        yield raw[done:]

    def _take(self, mark: str) -> bool:
        if not self.text.startswith(mark, self.at):
            return False
        self.at += len(mark)
        self._skip()
        return True

    def _skip(self) -> None:
        """Over white space and comments. A comment that never ends stands where a key should be, and is told there."""
        match = _BETWEEN.match(self.text, self.at)
        assert match is not None, "it matches nothing, too"
        self.at = match.end()
        if self.text.startswith("/*", self.at):
            raise self._problem("syntax", "a comment that begins here never ends", "close it with */")

    def _place(self, at: int) -> tuple[int, int]:
        """Line and column. Places are asked for from left to right, so each line is counted once."""
        counted, line, begins = self._counted
        for end in _LINE_END.finditer(self.text, counted, at):
            line, begins = line + 1, end.end()
        self._counted = (max(at, begins), line, begins)
        return line, at - begins + 1

    def _problem(self, kind: Kind, reason: str, hint: str) -> StringsProblem:
        return StringsProblem(kind, reason, hint, *self._place(self.at))
