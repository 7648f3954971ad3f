"""The settings of an environment: all that differs between environments."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from millrace.compiler.sentences import meant
from millrace.core.settings import Environment
from stacks.omissions import Omission
from stacks.settings_parts import (
    AlertRoute,
    DatabaseNetwork,
    LakehouseSettings,
    LakeReader,
    LakeSettings,
    LearningSettings,
    NetworkSettings,
    Part,
    Schedule,
    SignInSettings,
    StreamSettings,
    ThrottleSettings,
)

LAMBDA_RUNTIME = "python3.13"
FUNCTIONS = Path(__file__).resolve().parents[1] / "functions"


class EnvironmentSettings(Part):
    """All that differs between environments. Names and structure do not."""

    name: Environment
    """Of the environment, as in `--env` and `ENV`."""
    runtime: str = LAMBDA_RUNTIME
    """Lambda's name of the Python that functions run on; in local that of this machine."""
    architecture: Literal["arm64", "x86_64"] = "arm64"
    """The processor that functions run on; in local that of this machine."""
    retain: bool
    """Whether tables, buckets and keys outlive their stack."""
    point_in_time_recovery: bool
    """Whether any moment of the last 35 days of a table can be restored, but of those that the lake makes again."""
    recover_events: bool = False
    """Whether any moment of `Events` can be restored, too: 0.33 dollars a million events for what the log and the lake have as well."""
    deletion_protection: bool
    """Whether the tables refuse to be deleted."""
    stream: StreamSettings
    """The log."""
    type_shards: int = Field(default=1, ge=1, le=64)
    """The keys that a tenant's events of one type are spread over: each takes 1,000 new events a second. It only ever grows, and a list by type makes a query for each."""
    archive_window_seconds: int = Field(default=5, ge=0, le=60)
    """How long the archive gathers events of a shard before it writes them: few large objects cost less than many small."""
    analyze_window_seconds: int = Field(default=3, ge=0, le=10)
    """How long new events of a shard of the table's stream are gathered before they are counted: a batch leaves a row for each tenant and minute, and its events are not seen before."""
    lake: LakeSettings
    """The lake's lifecycle."""
    audit_lock_years: int | None = Field(default=None, ge=1, le=100)
    """For how long nobody can change or delete an anchor of the audit (Object Lock in compliance mode), in a bucket of its own that cannot be removed for as long; None: anchors are in the lake."""
    throttle: ThrottleSettings
    """What the HTTP API lets through."""
    rate_limit_url: str = Field(default="", pattern=r"^$|^(valkey|valkeys|redis|rediss)://[^@\s]+$")
    """Of a Valkey server that counts the calls of each tenant and credential for all functions, which must reach it, such as `rediss://rates.example:6379`; empty: each warm function counts for itself."""
    network: NetworkSettings | None = None
    """A network of their own for the functions; None: they are in none, and reach services at their public addresses, over TLS."""
    database_network: DatabaseNetwork | None = None
    """Subnets of one's own for the function that reads databases, where those have no public address; None: it is where the others are."""
    sign_in: SignInSettings = SignInSettings()
    """How people sign in."""
    lakehouse: LakehouseSettings = LakehouseSettings()
    """Runs of the pipeline."""
    learning: LearningSettings = LearningSettings()
    """Training."""
    log_retention_days: Literal[7, 14, 30, 60, 90, 180, 365, 731]
    """How long logs of functions are kept."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """From which level on functions log."""
    alarms: bool
    """Whether alarms are deployed."""
    alarm_contacts: tuple[str, ...] = ()
    """Where alarms are sent: e-mail addresses and https addresses, each of which has to confirm once."""
    alert_routes: tuple[AlertRoute, ...] = (
        AlertRoute(name="Critical", severities=("critical",)),
        AlertRoute(name="Warning", severities=("warning",)),
    )
    """Topics of alerts; an alert goes to each that it fits."""
    lake_readers: tuple[LakeReader, ...] = ()
    """Roles of IAM that read the lake with Athena, each the rows of one tenant in the columns of one role. Their tables have to exist."""
    canary: Schedule | None = None
    """When the canary is sent, in EventBridge Scheduler's syntax; None: only `millrace doctor` sends one."""
    reserved_concurrency: Mapping[str, Annotated[int, Field(ge=0)]] = Field(default_factory=dict)
    """Function → executions that are reserved for it. New accounts have few to give away, so nothing is reserved unless it stands here."""
    features_budget_ms: int | None = Field(default=None, ge=1)
    """How long fraud waits for a user's sets before it decides without them; None: as its function has it."""
    model_budget_ms: int | None = Field(default=None, ge=1)
    """How long it waits for a champion that has to be loaded; None: as its function has it."""
    fraud_fan_out: bool = False
    """Fraud reads each shard on a line of its own, pushed to it; without, it shares the shard's reads with the others."""
    omissions: frozenset[Omission] = frozenset()
    """What the environment leaves out because its emulator lacks it."""

    @field_validator("alarm_contacts")
    @classmethod
    def _are_addresses(cls, contacts: tuple[str, ...]) -> tuple[str, ...]:
        for contact in contacts:
            if not re.fullmatch(r"https://\S+|[^@\s]+@[^@\s]+\.[^@\s]+", contact):
                raise ValueError(f"{contact} is neither an e-mail address nor an https address")
        return contacts

    @field_validator("alert_routes", "lake_readers")
    @classmethod
    def _are_called_apart(
        cls, named: tuple[AlertRoute | LakeReader, ...], info: ValidationInfo
    ) -> tuple[AlertRoute | LakeReader, ...]:
        names = [one.name for one in named]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            what = str(info.field_name).rpartition("_")[2]
            raise ValueError(f"two {what} are called {twice[0]}; each has a name of its own")
        return named

    @field_validator("reserved_concurrency")
    @classmethod
    def _is_of_functions(cls, reserved: Mapping[str, int]) -> Mapping[str, int]:
        known = sorted(path.parent.name for path in FUNCTIONS.glob("*/handler.py"))
        for name in reserved:
            if name not in known:
                raise ValueError(f"no function is called {name}{meant(name, known)}")
        return reserved

    @model_validator(mode="after")
    def _local_has_no_network(self) -> "EnvironmentSettings":
        if self.network is not None and self.name == "local":
            raise ValueError("the emulator has no networks, so local cannot have `network`")
        if self.database_network is not None and self.name == "local":
            raise ValueError("the emulator has no networks, so local cannot have `database_network`")
        return self

    def fraud_budgets(self) -> dict[str, str]:
        """Budgets of the functions that decide on fraud, where they differ from what these say themselves."""
        budgets = {"features_budget_ms": self.features_budget_ms, "model_budget_ms": self.model_budget_ms}
        return {name: str(value) for name, value in budgets.items() if value is not None}

    def omits(self, what: Omission) -> bool:
        """Whether this environment leaves something out; `OMISSION_REASONS` has the reason."""
        return what in self.omissions
