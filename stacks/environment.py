"""The settings of each environment. What they are: `stacks/settings.py`."""

import platform
import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType

from pydantic import ValidationError

from millrace.compiler.sentences import meant
from millrace.eventstore import receipts
from stacks.errors import SettingsError, wrong_settings
from stacks.omissions import Omission
from stacks.settings import EnvironmentSettings
from stacks.settings_parts import (
    LakehouseSettings,
    LakeSettings,
    LearningSettings,
    SignInSettings,
    StreamSettings,
    ThrottleSettings,
)

HOURS_PER_DAY = 24
# Raw outlives every event that may still come late: a late one has its whole day rebuilt from raw. The manifest of
# what is there is kept as long.
RAW_EXPIRY_DAYS = receipts.KEPT_DAYS


def _local() -> EnvironmentSettings:
    return EnvironmentSettings(
        name="local",
        # The emulator runs a function on its own interpreter, which is the one that runs this.
        runtime=f"python{sys.version_info.major}.{sys.version_info.minor}",
        architecture="arm64" if platform.machine() in {"arm64", "aarch64"} else "x86_64",
        retain=False,
        point_in_time_recovery=False,
        deletion_protection=False,
        stream=StreamSettings(shards=1, retention_hours=HOURS_PER_DAY),
        # Someone sits before it and waits; storage is free.
        archive_window_seconds=0,
        analyze_window_seconds=0,
        lake=LakeSettings(raw_expiry_days=RAW_EXPIRY_DAYS),
        throttle=ThrottleSettings(rate=1000, burst=2000),
        lakehouse=LakehouseSettings(
            max_concurrency=2,
            reconcile=None,
            archive_wait_seconds=120,
            # The emulator carries a row within its write.
            capture_seconds=0,
        ),
        learning=LearningSettings(train_in="lambda", max_concurrency=1, tracking_uri="http://127.0.0.1:5500"),
        log_retention_days=7,
        alarms=False,
        # Everything local shares one machine with everything else on it: a slow moment is not a failing store.
        features_budget_ms=10_000,
        model_budget_ms=10_000,
        omissions=frozenset(Omission),
    )


def _dev() -> EnvironmentSettings:
    return EnvironmentSettings(
        name="dev",
        canary="rate(15 minutes)",
        retain=False,
        point_in_time_recovery=False,
        deletion_protection=False,
        stream=StreamSettings(shards=1, retention_hours=HOURS_PER_DAY),
        lake=LakeSettings(raw_expiry_days=RAW_EXPIRY_DAYS),
        throttle=ThrottleSettings(rate=50, burst=100),
        log_retention_days=7,
        alarms=False,
    )


def _staging() -> EnvironmentSettings:
    return EnvironmentSettings(
        name="staging",
        canary="rate(15 minutes)",
        retain=False,
        point_in_time_recovery=True,
        deletion_protection=False,
        stream=StreamSettings(shards=1, retention_hours=3 * HOURS_PER_DAY),
        type_shards=4,
        lake=LakeSettings(raw_infrequent_days=30, raw_expiry_days=RAW_EXPIRY_DAYS),
        throttle=ThrottleSettings(rate=500, burst=1000),
        log_retention_days=30,
        alarms=True,
    )


def _prod() -> EnvironmentSettings:
    return EnvironmentSettings(
        name="prod",
        canary="rate(5 minutes)",
        retain=True,
        point_in_time_recovery=True,
        deletion_protection=True,
        stream=StreamSettings(shards=2, retention_hours=7 * HOURS_PER_DAY),
        type_shards=4,
        lake=LakeSettings(raw_infrequent_days=90, tables_infrequent_days=90),
        audit_lock_years=7,
        lakehouse=LakehouseSettings(optimizers=True),
        throttle=ThrottleSettings(rate=2000, burst=4000),
        sign_in=SignInSettings(mfa="required"),
        log_retention_days=365,
        alarms=True,
        fraud_fan_out=True,
    )


def _made(settings: Callable[[], EnvironmentSettings]) -> EnvironmentSettings:
    try:
        return settings()
    except ValidationError as error:
        raise wrong_settings(error, EnvironmentSettings) from error


# What `local` has of the machine that it runs on.
OF_THIS_MACHINE = frozenset({"runtime", "architecture"})
ENVIRONMENTS: Mapping[str, EnvironmentSettings] = MappingProxyType(
    {settings.name: settings for settings in map(_made, (_local, _dev, _staging, _prod))}
)


def environment_named(name: str, *, alarm_contacts: str = "") -> EnvironmentSettings:
    """The settings of an environment.

    Args:
        name: of the environment.
        alarm_contacts: where its alarms are sent besides the addresses in its settings, separated by commas.

    Raises:
        SettingsError: there is no environment of that name, or a contact is not an address.
    """
    if name not in ENVIRONMENTS:
        listed = ", ".join(ENVIRONMENTS)
        raise SettingsError(f"-c env={name}: there are {listed}{meant(name, ENVIRONMENTS)}")
    settings = ENVIRONMENTS[name]
    added = [contact.strip() for contact in alarm_contacts.split(",") if contact.strip()]
    contacts = tuple(dict.fromkeys((*settings.alarm_contacts, *added)))
    try:
        return EnvironmentSettings.model_validate({**dict(settings), "alarm_contacts": contacts})
    except ValidationError as error:
        said = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise SettingsError(f"-c alarm-contacts={alarm_contacts} (ALARM_CONTACTS): {said}") from error


def to_deploy(name: str, *, alarm_contacts: str = "") -> EnvironmentSettings:
    """The settings of an environment that can be deployed.

    Raises:
        SettingsError: as `environment_named` does, or the environment is prod and its alarms would reach nobody.
    """
    settings = environment_named(name, alarm_contacts=alarm_contacts)
    if name == "prod" and not settings.alarm_contacts:
        raise SettingsError(
            "the alarms of prod would reach nobody: name an e-mail or https address with "
            "`make deploy ENV=prod ALARM_CONTACTS=oncall@example.com` (-c alarm-contacts=…), or in _prod of stacks/environment.py"
        )
    return settings
