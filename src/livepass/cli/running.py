"""Runs a command line and turns whatever happens into an exit code and words. No traceback for what was expected."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence

import click

from livepass._version import __version__
from livepass.cli.faults import Exit, Fault, usage
from livepass.cli.render import Output
from livepass.cli.root import root


def run(argv: Sequence[str]) -> int:
    """The exit code."""
    out = Output(as_json="--json" in argv, plain="--plain" in argv)
    try:
        code = root.main(list(argv), prog_name="livepass", standalone_mode=False)
    except click.exceptions.Abort:
        return _interrupted()
    except click.exceptions.NoArgsIsHelpError as error:
        sys.stderr.write(f"{error.format_message()}\n")
        return Exit.USAGE
    except click.ClickException as error:
        return _fault(out, _usage(error))
    except Fault as fault:
        return _fault(out, fault)
    except KeyboardInterrupt:
        return _interrupted()
    except BrokenPipeError:
        # Whoever read has read enough (``| head``); nothing may be flushed into the closed pipe at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.FINE
    except UnicodeEncodeError as error:
        told = _no_text(error)
        return _fault(out, told) if told else _unexpected(out, error, debug="--debug" in argv)
    except Exception as error:
        return _unexpected(out, error, debug="--debug" in argv)
    return code if isinstance(code, int) else Exit.FINE


def _usage(error: click.ClickException) -> Fault:
    message = error.format_message().rstrip(".")
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "livepass"
    hint = getattr(error, "hint", "") or f"{command} --help"
    return usage(message[:1].lower() + message[1:], hint)


def _no_text(error: UnicodeEncodeError) -> Fault | None:
    """A byte of the command line that is not UTF-8, or half a character in JSON. Python has a text for both, which
    cannot be written anywhere. Said without what stands around it, which may be secret.
    """
    character = error.object[error.start]
    if not "\ud800" <= character <= "\udfff":
        return None
    return usage(f"a name or value holds {character!r}, which is no character", "write names and values in UTF-8")


def _fault(out: Output, fault: Fault) -> int:
    out.fault(fault)
    return fault.exit


def _interrupted() -> int:
    sys.stderr.write("\n")
    return Exit.INTERRUPTED


def _unexpected(out: Output, error: Exception, *, debug: bool) -> int:
    if debug:
        traceback.print_exception(error)
    hint = "this is a fault of livepass: run it again with --debug and report what it prints"
    title = f"{type(error).__name__}: {error} (livepass {__version__})"
    out.fault(Fault(title, Exit.PROBLEM, hint=hint, code="unexpected"))
    return Exit.PROBLEM
