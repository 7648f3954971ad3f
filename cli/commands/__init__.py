"""The commands of `millrace`: what each is for, and which module has it. A module is imported when its command is used."""

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

from cli.commands.examples import epilog

# Heading of the help: name, module, what it does in a line.
COMMANDS = {
    "The local platform": {
        "up": ("cli.local.commands", "Start it, deploy to it and send sample events."),
        "down": ("cli.local.commands", "Stop it; its data is kept."),
    },
    "Events": {
        "send": ("cli.commands.send", "Send events from a file and show the answers."),
        "import": ("cli.commands.import_files", "Import files: CSV, JSON, NDJSON, Parquet."),
        "seed": ("cli.commands.seed", "Send realistic events, made up from a number."),
        "events": ("cli.commands.events", "List the newest events, or follow them live."),
        "trace": ("cli.commands.trace", "Show where an event is, step by step."),
        "watch": ("cli.commands.watch", "Watch the windows of an aggregate as they fill."),
        "quarantine": ("cli.commands.quarantine", "List, replay or discard refused events."),
        "contracts": ("cli.commands.contracts", "Check and publish the contracts of events."),
    },
    "Lakehouse": {
        "etl": ("cli.commands.etl", "Build the tables from new data, or from some days."),
        "query": ("cli.commands.query", "Query raw events and tables with SQL."),
        "sql": ("cli.commands.sql", "Open a shell for SQL, or run SQL from a pipe."),
        "pending": ("cli.commands.pending", "List tenant-days that no run could commit."),
    },
    "Fraud and models": {
        "fraud": ("cli.commands.fraud", "Explain, verify and replay fraud decisions."),
        "backtest": ("cli.commands.backtest", "Try fraud rules on past transactions."),
        "train": ("cli.commands.train", "Train the fraud models."),
        "models": ("cli.commands.models", "List models, promote one or roll back."),
    },
    "People": {
        "erase": ("cli.commands.erase", "Erase a person, and verify the certificate."),
        "export": ("cli.commands.export", "Export what is kept of a person."),
        "holds": ("cli.commands.holds", "List, set and lift legal holds."),
        "privacy": ("cli.commands.privacy", "Reports, restrictions, corrections, numbers."),
        "protect": ("cli.commands.protect", "Rewrite what an earlier release stored in clear."),
        "anonymised": ("cli.commands.anonymised", "Release tables about nobody."),
    },
    "Operation": {
        "consents": ("cli.commands.consents", "Read, give or withdraw what persons have agreed to."),
        "alerts": ("cli.commands.alerts", "List, acknowledge or mute alerts."),
        "patterns": ("cli.commands.patterns", "Try a pattern on past events."),
        "sigma": ("cli.commands.sigma", "Try a Sigma rule on past events."),
        "status": ("cli.commands.status", "Show which platform answers, and its version."),
        "doctor": ("cli.commands.doctor", "Check the platform with an event down every path."),
        "reconcile": ("cli.commands.reconcile", "Compare all stores and repair what is missing."),
        "rebuild": ("cli.commands.rebuild", "Rebuild a table from the lake and compare it."),
        "redrive": ("cli.commands.redrive", "Retry batches or dead letters of a function."),
        "tenants": ("cli.commands.tenants", "Create, list and suspend tenants; their event ids."),
        "users": ("cli.commands.users", "Invite users of a tenant, and set their roles."),
        "roles": ("cli.commands.roles", "List roles, and what each may."),
        "keys": ("cli.commands.keys", "Create, list, rotate and revoke API keys."),
        "sources": ("cli.commands.sources", "List, pause and resume sources; set their secrets."),
        "grants": ("cli.commands.grants", "Ask for access, approve or revoke it."),
        "login": ("cli.commands.login", "Sign in with password and code."),
        "logout": ("cli.commands.logout", "Forget the sign-in."),
        "audit": ("cli.commands.audit", "List who did what, and verify the log of it."),
        "cost": ("cli.commands.cost", "Show what the platform costs in AWS."),
        "preflight": ("cli.commands.preflight", "Check an AWS account before a deploy."),
    },
    "This command": {
        "help": ("cli.commands.help", "Show the help of a command."),
    },
}
EXIT_CODES = (
    ("0", "done"),
    ("1", "refused, or a check failed"),
    ("2", "wrong use of a command"),
    ("3", "no platform can be reached"),
    ("130", "stopped with Ctrl-C"),
)
# Variables of the environment that commands read.
VARIABLES = {
    "MILLRACE_API_URL": "The address of the API of dev, staging or prod, for `--env`.",
    "MILLRACE_API_KEY": "The key that commands call the API with; it decides the tenant.",
    "MILLRACE_TOKEN": "A user's access token in the place of the key, `<org>/<token>` for one of several tenants.",
    "MILLRACE_PASSWORD": "The password for `millrace login`, in the place of the question.",
    "MILLRACE_NEW_PASSWORD": "The password that `millrace login` chooses in the place of one for once.",
    "MILLRACE_USER_POOL_CLIENT": "The UserPoolClientId output, for `millrace login` without rights to read outputs.",
    "MILLRACE_PORT": "The port of the local platform; it is remembered for the checkout.",
    "MILLRACE_LOCAL": "A folder in the place of .local, for a second platform beside the first.",
    "MILLRACE_DEBUG": "1: as --debug, an unexpected error shows its traceback.",
    "MLFLOW_PORT": "The port of `make mlflow`.",
    "NOTEBOOK_PORT": "The port of `make notebook`.",
}


class Commands(TyperGroup):
    """The commands by heading; help and completion of their names import none of them."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for entries in COMMANDS.values():
            for name, (_, sentence) in entries.items():
                # Stands for the command until it is used.
                self.add_command(TyperGroup(name=name, help=sentence))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """As any group, once the command itself is in the place of the one that stands for it."""
        self.load(args[0])
        return super().resolve_command(ctx, args)

    def load(self, name: str) -> Any:
        """Imports a command; None if there is none of that name."""
        module = next((entries[name][0] for entries in COMMANDS.values() if name in entries), None)
        if module is None:
            return None
        loaded = import_module(module)
        app = getattr(loaded, "app", None)
        if app is None:
            app = typer.Typer(add_completion=False)
            app.command(name)(getattr(loaded, name))
        app.rich_markup_mode = None
        command: Any = typer.main.get_command(app)
        command.name = name
        command.epilog = epilog(name)
        for inner, one in getattr(command, "commands", {}).items():
            one.epilog = epilog(f"{name} {inner}")
            # Whole in the list too: click would cut it after a line.
            one.short_help = one.help.partition("\n\n")[0]
        self.add_command(command)
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        """Writes a line for each command below its heading, and the exit codes of all."""
        width = max(len(name) for entries in COMMANDS.values() for name in entries)
        lines = {
            heading: [(name, sentence) for name, (_, sentence) in entries.items()]
            for heading, entries in COMMANDS.items()
        }
        for heading, rows in (lines | {"Exit codes": list(EXIT_CODES)}).items():
            with formatter.section(heading):
                formatter.write_dl([(name.ljust(width), sentence) for name, sentence in rows])
