"""The command tree: ``livepass NOUN VERB``. Nouns are imported when they are used, not before."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from livepass._version import __version__
from livepass.cli.session import Session

COMMANDS: Mapping[str, tuple[str, str]] = {
    # name → (module:object, what --help says)
    "demo": ("livepass.cli.demo:demo", "The whole loop on this machine: no Apple account, no phone."),
    "init": ("livepass.cli.init:init", "Start a project: settings, keys and a template to begin with."),
    "serve": ("livepass.cli.serve:serve", "Answer phones and issuers, and push."),
    "worker": ("livepass.cli.worker:worker", "Push only: more hands for a service that runs elsewhere."),
    "status": (
        "livepass.cli.status:status",
        "One screen: coherence, phones, pushes, findings, processes.",
    ),
    "doctor": ("livepass.cli.doctor:doctor", "Judge a pass and its web service, anybody's; or this installation."),
    "why": ("livepass.cli.why:why", "Why a pass is not up to date on its phones."),
    "pass": ("livepass.cli.pass_:pass_", "Issue, change, look at, build and check passes."),
    "template": ("livepass.cli.template:template", "Folders that passes are made from."),
    "cert": ("livepass.cli.cert:cert", "Pass Type ID certificates."),
    "webhook": (
        "livepass.cli.webhook:webhook",
        "Webhook endpoints: events are sent there.",
    ),
    "listen": ("livepass.cli.listen:listen", "Print each webhook event as it happens"),
    "trigger": ("livepass.cli.webhook:trigger", "Send every endpoint that listens for EVENT a message of that name."),
    "apns-key": ("livepass.cli.apns_key:apns_key", "APNs keys (.p8) that push instead of certificates."),
    "device": ("livepass.cli.device:device", "The phones that follow a pass."),
    "push": ("livepass.cli.push:push", "Pushes that are due or were sent."),
    "log": ("livepass.cli.log:log", "What phones complain about."),
    "holder": ("livepass.cli.holder:holder", "All that is kept of a person: hand it over, or erase it."),
    "phone": ("livepass.cli.phone:phone", "An emulated iPhone, against any service."),
    "apns": ("livepass.cli.apns:apns", "An emulated APNs, and what its answers mean."),
    "key": ("livepass.cli.key:key", "API keys, and the keys that everything is sealed and derived with."),
    "tenant": ("livepass.cli.tenant:tenant", "Brands on one installation, each with its own."),
    "canary": ("livepass.cli.canary:canary", "A pass and a phone of livepass's own, which try every round trip."),
    "alerts": ("livepass.cli.alerts:alerts", "Alerts and a dashboard, for Prometheus and Grafana."),
    "support": ("livepass.cli.support:support", "What a stranger who helps needs to know, without a secret in it."),
    "import": (
        "livepass.cli.import_:import_",
        "Take in passes and phones from a file, from another service, or from a folder.",
    ),
    "export": ("livepass.cli.export:export", "Write passes, phones and what happened into files."),
    "migrate-url": (
        "livepass.cli.migrate_url:migrate_url",
        "Move passes that phones hold to the address of LIVEPASS_PUBLIC_URL.",
    ),
    "console": ("livepass.cli.console:console", "The web console: show it, who may use it, what they did."),
    "db": ("livepass.cli.db:db", "The database: upgrade, verify, and recover from a restore."),
    "backup": ("livepass.cli.backup:backup", "Write the whole database to one file, while the service runs."),
    "restore": ("livepass.cli.restore:restore", "Make a backup the content of the database."),
    "help": ("livepass.cli.help:help_", "What a finding, a line of a phone's log, a page or a command says."),
}


def _remember(name: str) -> Callable[[click.Context, click.Parameter, Any], Any]:
    def callback(context: click.Context, _: click.Parameter, value: Any) -> Any:
        session = context.ensure_object(Session)
        if value:
            setattr(session, name, value)
        return value

    return callback


_FILE = click.Path(path_type=Path, dir_okay=False)

# (option, field of Session, further arguments)
EVERYWHERE: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("--json", "as_json", {"is_flag": True, "help": "One JSON object, or one a line; nothing else on stdout."}),
    ("--plain", "plain", {"is_flag": True, "help": "Plain text even on a terminal."}),
    ("--url", "url", {"metavar": "URL", "help": "Work on a service instead of the database here (LIVEPASS_URL)."}),
    ("--key", "key", {"metavar": "KEY", "help": "API key for --url (LIVEPASS_KEY)."}),
    ("--tenant", "tenant", {"metavar": "NAME", "help": "Work as this tenant (LIVEPASS_TENANT); takes tenants:admin."}),
    ("--ca", "ca", {"type": _FILE, "metavar": "FILE", "help": "PEM file of roots to trust beside the system's."}),
    ("--debug", "debug", {"is_flag": True, "help": "Show where an unexpected fault came from."}),
)  # fmt: skip


def _everywhere(own: list[click.Parameter]) -> list[click.Parameter]:
    """The options of every command, but for those whose name the command uses itself."""
    taken = {name for parameter in own for name in parameter.opts}
    return [
        click.Option([option, f"everywhere_{name}"], expose_value=False, callback=_remember(name), **more)
        for option, name, more in EVERYWHERE
        if option not in taken
    ]


class _Everywhere(click.Command):
    """Takes the options of ``EVERYWHERE``, and names them in one line of its help."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        own = super().get_params(ctx)
        return [*own[:-1], *_everywhere(own), *own[-1:]]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        own: list[tuple[str, str]] = []
        common: list[tuple[str, str]] = []
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None
            if record is not None:
                (common if (parameter.name or "").startswith("everywhere_") else own).append(record)
        with formatter.section("Options"):
            formatter.write_dl(own)
        if ctx.parent is None:
            with formatter.section("Options of every command"):
                formatter.write_dl(common)
        else:
            formatter.write_paragraph()
            names = " ".join(record[0].split()[0] for record in common)
            formatter.write_text(f"Also: {names} (livepass --help)")


class Verb(_Everywhere):
    """A command that does something."""


class Noun(_Everywhere, click.Group):
    """A command that holds others, and knows what was nearly typed."""

    command_class = Verb

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_options(ctx, formatter)
        self.format_commands(ctx, formatter)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        names = self.list_commands(ctx)
        if name not in names and not name.startswith("-") and not ctx.resilient_parsing:
            fault = click.UsageError(f"{ctx.command_path} has no command {name!r}", ctx)
            close = difflib.get_close_matches(name, names, 1, 0.5)
            path = f"{ctx.command_path} {close[0]}" if close else ""
            fault.hint = f"did you mean {path}?" if close else f"{ctx.command_path} --help"  # type: ignore[attr-defined]
            raise fault
        return super().resolve_command(ctx, args)


class Lazy(Noun):
    """The root: knows its commands by name and imports the one that is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, what) for name, (_, what) in COMMANDS.items()])


@click.command(
    cls=Lazy,
    name="livepass",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Exit codes: 0 fine, also nothing to do; 1 problem found; 2 usage; 3 could not check; "
    "4 refused for safety; 130 Ctrl-C.",
)
@click.version_option(__version__, prog_name="livepass", message="%(prog)s %(version)s")
def root() -> None:
    """Apple Wallet passes that stay true.

    Works on the database of the environment, or with --url and --key on a running service.
    TYPE/SERIAL names a pass, as in pass.com.example.gym/1001.
    """


def noun(name: str) -> Callable[[Callable[..., Any]], Noun]:
    """Decorator: a group of verbs, lazily imported by ``root``."""

    def decorate(function: Callable[..., Any]) -> Noun:
        made: Noun = click.group(name, cls=Noun)(function)
        return made

    return decorate
