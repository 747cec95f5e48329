"""How the command line speaks: start-up, help, suggestions, errors, what goes where."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from livepass.cli.render import clean, to_json
from livepass.cli.root import COMMANDS, EVERYWHERE, root
from livepass.cli.running import run

HEAVY = ("cryptography", "starlette", "uvicorn", "httpx2", "h2", "rich", "asyncio")
FRAME = ("faults", "render", "root", "running", "session")


def tree(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command of the tree but the demo, which has tests of its own."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            if (*path, name) != ("demo",):
                child = command.get_command(context, name)
                assert child is not None
                yield from tree(child, (*path, name))


TREE = dict(tree(root))


def test_help_starts_fast_because_it_imports_next_to_nothing():
    script = (
        "import sys, io, contextlib\n"
        "from livepass.cli.running import run\n"
        "with contextlib.redirect_stdout(io.StringIO()) as out: code = run(['--help'])\n"
        "import json; print(json.dumps([code, sorted(sys.modules), out.getvalue()]))"
    )
    code, modules, said = json.loads(subprocess.check_output([sys.executable, "-I", "-c", script]))
    assert code == 0 and "Commands:" in said
    assert [name for name in HEAVY if name in modules] == []
    assert [name for name in modules if name.startswith("livepass.")] == [
        "livepass._version",
        "livepass.cli",
        *(f"livepass.cli.{name}" for name in FRAME),
    ]
    assert len(modules) < 400


def test_module_can_be_run():
    said = subprocess.check_output([sys.executable, "-m", "livepass", "--version"], text=True)
    assert re.fullmatch(r"livepass \d+\.\d+\.\d+\S*\n", said)


@pytest.mark.parametrize("path", TREE, ids=" ".join)
def test_every_command_has_help(path, capsys):
    assert run([*path, "--help"]) == 0
    said = capsys.readouterr().out
    assert (TREE[path].help or "").strip().splitlines()[0].split()[0] in said
    for option in TREE[path].params:
        assert not isinstance(option, click.Option) or option.help or option.metavar, option.name


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - {"demo"}))
def test_the_list_says_what_the_command_says(name):
    first = (TREE[(name,)].help or "").strip().split("\n\n")[0]
    assert COMMANDS[name][1].rstrip(".") in " ".join(first.split())


def named_commands(text: str) -> Iterator[tuple[str, ...]]:
    for found in re.finditer(r"livepass((?: [a-z]+)+)", text):
        yield tuple(found[1].split())


def known(words: tuple[str, ...]) -> bool:
    """Whether these words begin with a command; prose may go on after it."""
    return words[:1] == ("demo",) or words in TREE or words[:2] in TREE or (words[:1] in TREE and not group(words[:1]))


def group(path: tuple[str, ...]) -> bool:
    return isinstance(TREE[path], click.Group)


@pytest.mark.parametrize("path", TREE, ids=" ".join)
def test_help_names_no_command_that_is_not_there(path):
    for words in named_commands(TREE[path].help or ""):
        assert known(words), f"{' '.join(path)} --help speaks of: livepass {' '.join(words)}"


def test_the_options_of_every_command_stand_after_every_word(livepass):
    explain = ["log", "explain", "x"]
    for place in range(4):
        words = [*explain[:place], "--json", *explain[place:]]
        assert livepass(*words, exit_=1).json["code"] == "?"
    for path, command in TREE.items():
        options = {name for each in command.get_params(click.Context(command)) for name in each.opts}
        assert {name for name, _, _ in EVERYWHERE} <= options, path


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["pas", "list"], "did you mean livepass pass?"),
        (["pass", "isue"], "did you mean livepass pass issue?"),
        (["certs"], "did you mean livepass cert?"),
        (["zzz"], "livepass --help"),
    ],
)
def test_a_mistyped_command_is_recognised(livepass, typed, meant):
    ran = livepass(*typed, exit_=2)
    assert ran.out == "" and f"hint: {meant}" in ran.err


def test_a_mistyped_option_is_recognised(livepass):
    assert "--template" in livepass("pass", "list", "--templat", "x", exit_=2).err


def test_usage_errors_say_what_and_hint(livepass):
    ran = livepass("pass", "show", "nonsense", exit_=2)
    assert ran.err.startswith("livepass: ") and "write TYPE/SERIAL" in ran.err and "\nhint: " in ran.err
    problem = livepass("pass", "show", "nonsense", "--json", exit_=2).problem
    assert problem["exit"] == 2 and problem["hint"]


def test_a_fault_of_ours_says_how_to_report_and_shows_no_traceback(livepass, monkeypatch):
    def broken(_: str) -> None:
        raise ZeroDivisionError("boom")

    monkeypatch.setattr("livepass.core.testimony.read_line", broken)
    ran = livepass("log", "explain", "x", exit_=1)
    assert "ZeroDivisionError: boom" in ran.err and "--debug" in ran.err
    assert "Traceback" not in ran.err
    assert "Traceback" in livepass("log", "explain", "x", "--debug", exit_=1).err


def test_ctrl_c_is_130(livepass, monkeypatch):
    def interrupted(_: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("livepass.core.testimony.read_line", interrupted)
    assert livepass("log", "explain", "x", exit_=130).out == ""


def test_nothing_that_is_shown_can_steer_a_terminal():
    assert "\x1b" not in clean("\x1b[31mred\x07") and "\u202e" not in clean("a\u202eb")
    said = to_json({"a": "\x1b[2J\u202e\x7f"})
    assert not re.search("[\x00-\x1f\x7f\u202e]", said)
    assert json.loads(said) == {"a": "\x1b[2J\u202e\x7f"}


def test_a_terminal_without_unicode_gets_ascii():
    script = "from livepass.cli.running import run; raise SystemExit(run(['apns', 'chaos', '--control', 'http://127.0.0.1:1/é…']))"
    env = {"PYTHONIOENCODING": "ascii", "PATH": ""}
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, env=env, check=False)
    assert ran.returncode == 3
    assert ran.stderr.decode("ascii").startswith("livepass: no emulated APNs answers at http://127.0.0.1:1/\\xe9...")


def test_a_reader_that_stops_early_is_no_fault():
    script = "import sys; from livepass.cli.running import run; sys.exit(run(['phone', 'quirks']))"
    ran = subprocess.run(
        ["sh", "-c", f'"{sys.executable}" -c "{script}" | head -1; :'], capture_output=True, text=True, check=False
    )
    assert ran.stdout.startswith("QUIRK") and ran.stderr == ""


def test_settings_that_are_missing_are_named(livepass):
    ran = livepass("pass", "list", exit_=2)
    assert "LIVEPASS_PUBLIC_URL is not set" in ran.err and "hint:" in ran.err


def test_rich_output_on_a_terminal():
    plain, coloured, colourless = (on_a_terminal(env) for env in ("--plain", "TERM=xterm-256color", "NO_COLOR=1"))
    assert "\x1b[" in coloured
    assert "\x1b[3" not in colourless.replace("\x1b[39", "")
    assert "\x1b" not in plain
    assert "push-budget" in plain and "push-budget" in coloured and "push-budget" in colourless


def on_a_terminal(how: str) -> str:
    """What ``livepass phone quirks`` writes to a terminal."""
    ours, theirs = pty.openpty()
    env = {"PATH": "", "TERM": "xterm-256color", "COLUMNS": "100", "PYTHONIOENCODING": "utf-8"}
    words = ["phone", "quirks"]
    if "=" in how:
        name, _, value = how.partition("=")
        env[name] = value
    else:
        words.append(how)
    program = subprocess.Popen([sys.executable, "-m", "livepass", *words], stdout=theirs, env=env)
    os.close(theirs)
    said = b""
    with contextlib.suppress(OSError):  # a terminal whose other end is closed says so by EIO
        while chunk := os.read(ours, 65536):
            said += chunk
    os.close(ours)
    assert program.wait() == 0
    return said.decode()
