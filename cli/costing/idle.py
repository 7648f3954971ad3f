"""Dollars a month of an environment without events, from its templates."""

import re
from collections.abc import Mapping

from cli.costing.deployment import Deployment
from cli.costing.prices import GB, HOURS_A_MONTH, Prices, Usage
from millrace.core.metrics import UNWATCHED

MINUTES_A_MONTH = HOURS_A_MONTH * 60
_UNITS = {"minute": 1, "hour": 60, "day": 1440}


def usage(deployment: Deployment, prices: Prices) -> Usage:
    """What a month uses, in the price table's units."""
    assumed, used = prices.assumptions, Usage()
    keys = deployment.of("AWS::KMS::Key")
    used["kms.key"] += len(keys)
    # As after two years, when it is most expensive.
    used["kms.rotation"] += 2 * sum(bool(key.get("EnableKeyRotation")) for _, key in keys)
    used["kms.request"] += assumed["kms_callers"] * 12 * HOURS_A_MONTH
    if deployment.shards is None:
        used["kinesis.stream"] += HOURS_A_MONTH
    else:
        hours = deployment.shards * HOURS_A_MONTH
        used["kinesis.shard"] += hours
        used["kinesis.fan_out_shard"] += hours * deployment.fan_outs
        used["kinesis.retention_shard"] += hours if deployment.retention_hours > 24 else 0
    for _, endpoint in deployment.of("AWS::EC2::VPCEndpoint"):
        # One interface in each zone's subnet; those of S3 and DynamoDB have none.
        used["vpc.endpoint"] += len(endpoint.get("SubnetIds", [])) * HOURS_A_MONTH
    for _, alarm in deployment.of("AWS::CloudWatch::Alarm"):
        metrics = [one for one in alarm.get("Metrics", []) if "MetricStat" in one]
        used["cloudwatch.alarm"] += max(1, len(metrics))
    used["cloudwatch.dashboard"] += len(deployment.of("AWS::CloudWatch::Dashboard"))
    used["cloudwatch.metric"] += assumed["run_metrics"] + _canary_metrics(deployment, assumed)
    used["s3.storage"] += assumed["idle_lake_gb"]
    used["athena.scanned"] += assumed["athena_gb"]
    if deployment.optimizers:
        used["glue.dpu_hour"] += assumed["idle_tables"] * assumed["optimizer_dpu_hours"] * HOURS_A_MONTH / 24
    emails = [one for _, one in deployment.of("AWS::SNS::Subscription") if one["Protocol"] == "email"]
    used["sns.publish"] += assumed["alarms_a_month"] * bool(deployment.of("AWS::CloudWatch::Alarm"))
    used["sns.email"] += assumed["alarms_a_month"] * len(emails)
    for _, mapping in deployment.of("AWS::Lambda::EventSourceMapping"):
        if mapping.get("StartingPosition") is None:
            used["sqs.request"] += assumed["sqs_pollers"] * HOURS_A_MONTH * 3600 / 20
    for name, schedule in deployment.of("AWS::Scheduler::Schedule"):
        if schedule.get("State", "ENABLED") == "ENABLED":
            runs = runs_a_month(str(schedule["ScheduleExpression"]))
            used.add(_of_schedule(name, runs, assumed, deployment.environment))
    return Usage({name: quantity for name, quantity in used.items() if quantity})


def _canary_metrics(deployment: Deployment, assumed: Mapping[str, float]) -> float:
    for name, function in deployment.of("AWS::Lambda::Function"):
        if "sendcanaryFunction" in name:
            each_path = function["Environment"]["Variables"].get("EACH_PATH")
            return assumed["canary_path_metrics" if each_path == "true" else "canary_metrics"]
    return 0.0


def _of_schedule(name: str, runs: float, assumed: Mapping[str, float], environment: str) -> Usage:
    used = Usage({"scheduler.call": runs, "lambda.request": runs})
    if name.startswith("Canary"):
        # Its events cost what any event costs, each in a batch of its own.
        used["lambda.second"] += runs * assumed["canary_gb_seconds"]
        used["dynamodb.write"] += runs * assumed["canary_write_units"]
        used["dynamodb.read"] += runs * assumed["canary_read_units"]
        used["s3.put"] += runs * assumed["canary_puts"]
        used["lambda.request"] += runs * assumed["canary_calls"]
        used["api.request"] += runs
        return used
    if name.startswith("FoldTiles"):
        used["lambda.second"] += runs * assumed["empty_fold_gb_seconds"]
        used["dynamodb.read"] += runs * assumed["empty_fold_read_units"]
        used["logs.ingested"] += runs * assumed["empty_fold_log_bytes"] / GB
        if environment not in UNWATCHED:
            used["cloudwatch.metric"] += assumed["fold_metrics"]
        return used
    if name.startswith("Reconcile"):
        used["lambda.second"] += runs * assumed["canary_gb_seconds"]
        used["cloudwatch.metric"] += assumed["reconcile_metrics"]
        return used
    if name.startswith("WatchAnomalies"):
        used["lambda.second"] += runs * assumed["watch_gb_seconds"]
        used["dynamodb.read"] += runs * assumed["watch_read_units"]
        used["logs.ingested"] += runs * assumed["platform_log_bytes"] / GB
        used["cloudwatch.metric"] += assumed["watch_metrics"]
        return used
    if name.startswith("AuditHourly"):
        used["lambda.second"] += runs * assumed["audit_watch_gb_seconds"]
        # The access log of three days is listed, a thousand objects a call; a look moves its position.
        used["s3.put"] += runs * assumed["audit_watch_lists"]
        used["dynamodb.write"] += runs
        used["dynamodb.read"] += runs * assumed["audit_watch_read_units"]
        used["logs.ingested"] += runs * assumed["platform_log_bytes"] / GB
        return used
    if name.startswith("Audit"):
        used["lambda.second"] += runs * assumed["canary_gb_seconds"]
        used["dynamodb.read"] += runs * assumed["audit_read_units"]
        used["dynamodb.write"] += runs * assumed["audit_write_units"]
        used["s3.put"] += runs * 3
        return used
    if name.startswith("Timers"):
        used["lambda.second"] += runs * assumed["sweep_gb_seconds"]
        used["dynamodb.read"] += runs * assumed["sweep_read_units"]
        used["logs.ingested"] += runs * assumed["platform_log_bytes"] / GB
        return used
    # A run without new data: the machine's states, one trace, and the functions of its first and last step.
    used["states.transition"] += runs * assumed["empty_run_transitions"]
    used["xray.trace"] += runs
    used["logs.ingested"] += runs * assumed["empty_run_transitions"] * assumed["state_log_bytes"] / GB
    used["lambda.request"] += runs * 2
    used["lambda.second"] += runs * assumed["empty_run_gb_seconds"]
    used["s3.put"] += runs * 3
    return used


def runs_a_month(expression: str) -> float:
    """How often a schedule of EventBridge Scheduler calls.

    Raises:
        ValueError: the expression has an unknown form.
    """
    if rate := re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", expression):
        return MINUTES_A_MONTH / (int(rate[1]) * _UNITS[rate[2]])
    if cron := re.fullmatch(r"cron\((\S+) (\S+) \S+ \S+ \S+ \S+\)", expression):
        minutes, hours = (_times(cron[1], 60), _times(cron[2], 24))
        return minutes * hours * HOURS_A_MONTH / 24
    raise ValueError(f"the schedule {expression} has an unknown form")


def _times(field: str, of: int) -> float:
    if field == "*":
        return of
    if "/" in field:
        return of / int(field.partition("/")[2])
    return len(field.split(","))
