"""Dollars per million events by path: recorded calls, an environment's templates, a rate, the price table."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from cli.costing import log, online, traces
from cli.costing.deployment import FREE_STORAGE_MB, Deployment
from cli.costing.prices import DAYS_A_MONTH, GB, Prices, Usage
from cli.costing.traces import PerEvent
from cli.places import checkout
from millrace.compiler.feature_views import compile_views
from millrace.eventstore import consumers
from millrace.eventstore.consumers import ARCHIVE, COUNTER, ROUTER, SCORER, ConsumerSpec, Source, reading
from millrace.features.views import FeatureViews

MILLION = 1_000_000
# The profile of events that have no row.
LAKE_PROFILE = "lake-only"
MATERIALIZE = "materialize_features"
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html
LEAST_MOVED = 128 * 1024
DAY_SECONDS = 86_400


class Paths:
    """The paths of one environment at one rate: what a million events use, by the price table's names."""

    def __init__(self, deployment: Deployment, prices: Prices, *, rate: float, request: int) -> None:
        """`rate`: events a second; it determines how full a consumer's batches are."""
        self._deployment, self._prices, self._request = deployment, prices, request
        self._assumed, self._rate = prices.assumptions, rate
        self.stream_batch = rate / self._assumed["stream_polls_per_second"]
        # The archive may wait for more.
        self.gathered = self._batch_of(ARCHIVE)

    def all(self) -> dict[str, Usage]:
        """Every path by name."""
        return {
            "accept": self._accept("default"),
            "accept.lake-only": self._accept(LAKE_PROFILE),
            "store": self._store("default"),
            "store.seeded": self._store("mix"),
            "log": self._log("default"),
            "log.lake-only": self._log(LAKE_PROFILE),
            "expire": self._expire("default"),
            "expire.seeded": self._expire("mix"),
            "bus": self._bus(),
            **{
                one.cost: self._consumed(one)
                for one in consumers.CONSUMERS
                if one.cost and one not in (SCORER, ROUTER, COUNTER)
            },
            "count": self._counted(),
            "route": self._routed(),
            "archive.lake-only": self._consumed(ARCHIVE, LAKE_PROFILE),
            "fraud": self._fraud(),
            "features": self._features(),
            "etl": self._etl(),
            "quarantine": self._quarantine(),
            "read": self._request_of("read_api", self._assumed["read_ms"], self._assumed["read_units"]),
            "predict": self._request_of("predict", self._assumed["predict_ms"], self._predict_units),
            "storage": self._storage("default"),
            "storage.seeded": self._storage("mix"),
            "storage.lake-only": self._storage(LAKE_PROFILE),
            "storage.features": self._tables(self._event(online.PROFILE, MATERIALIZE, 1)),
        }

    def _accept(self, profile: str) -> Usage:
        """The request, its function, and the authorizer's share; without storage."""
        event = self._event(profile, "post_events", self._request)
        used = self._function("post_events", event)
        used["api.request"] += MILLION / self._request
        used.add(self._lines(MILLION / self._request * self._assumed["access_log_bytes"]))
        authorized = self._assumed["callers"] / 60 / self._rate * MILLION
        used["lambda.request"] += authorized
        used["lambda.second"] += authorized * 0.02 * self._deployment.memory_mb("authorize") / 1024
        # The credential, its tenant, and what its holder was granted; once an hour of each key, when it was used.
        used["dynamodb.read"] += 3 * authorized
        used["dynamodb.write"] += authorized / 60
        return used

    def _store(self, profile: str) -> Usage:
        event = self._event(profile, "post_events", self._request)
        return _times({name: event.usage[name] for name in ("dynamodb.write", "dynamodb.change")})

    def _log(self, profile: str) -> Usage:
        """Into the log and out to its readers, with a longer retention's storage."""
        return self._logged(self._event(profile, "post_events", self._request).usage)

    def _logged(self, of_event: Mapping[str, float]) -> Usage:
        return _times(log.carried(self._deployment, of_event, self._assumed))

    def _expire(self, profile: str) -> Usage:
        """A million rows that expire. The deletion costs no write, but DynamoDB captures it and the log carries it."""
        return self._expired(self._event(profile, "post_events", self._request).usage)

    def _expired(self, of_event: Mapping[str, float]) -> Usage:
        used = self._logged(log.expiry(of_event, self._assumed))
        used.add(_times({"dynamodb.change": of_event["dynamodb.change"]}))
        for name in self._deployment.unfiltered(reading(Source.LOG)):
            used.add(self._passed_over(name))
        return used

    def _passed_over(self, function: str) -> Usage:
        """What a consumer without a filter spends on records that it parses and drops."""
        alone = PerEvent(
            usage=Usage(),
            invocations=log.alone(self._waited_for(function, "default")),
            cpu_ms=self._assumed["expiry_parse_ms"],
            waits=0,
            log_bytes=0,
            stored={},
            raw_bytes=0,
            objects=0,
        )
        return self._function(function, alone)

    def _of_shard(self, profile: str) -> float:
        """Events a second in one shard, of which each is two records if its row expires."""
        size = self._event(profile, "post_events", self._request).usage["log.size"]
        records = self._rate * self._records(profile)
        return self._rate / log.shards(self._deployment, size, records, self._assumed)

    def _records(self, profile: str) -> int:
        return 1 if profile == LAKE_PROFILE else 2

    def _waited_for(self, function: str, profile: str) -> float:
        """New events that a shard takes while a mapping collects a batch from it."""
        waits = self._deployment.window_seconds(function)
        return self._of_shard(profile) * max(waits, 1 / self._assumed["polls_per_second"])

    def _batch_of(self, consumer: ConsumerSpec, profile: str = "default") -> float:
        """Events in a consumer's batch; records of rows that expire fill it too, unless the mapping filters them."""
        most: float = self._deployment.batch_size(consumer.function)
        if consumer.source is Source.TABLE_STREAM:
            return max(self.stream_batch, min(self._gathered(consumer), most))
        if consumer.function in self._deployment.unfiltered([consumer.function]):
            most /= self._records(profile)
        return min(self._waited_for(consumer.function, profile), most)

    def _gathered(self, consumer: ConsumerSpec) -> float:
        """Events of the table's stream that come while a mapping waits."""
        return self._rate * self._deployment.window_seconds(consumer.function)

    def _consumed(self, consumer: ConsumerSpec, profile: str = "") -> Usage:
        """What a consumer uses for a million events, by its own profile unless another one is given."""
        batch = self._batch_of(consumer, profile or "default")
        recorded = self._event(profile or consumer.cost_profile, consumer.function, batch)
        used = self._function(consumer.function, recorded)
        used.add(
            _times({name: value for name, value in recorded.usage.items() if not name.startswith("log.")})
        )
        return used

    def _counted(self) -> Usage:
        """Facts, marks, the fold of each minute and the seal of each day, with the storage of their rows."""
        used = self._consumed(COUNTER)
        used.add(self._tables(self._event(COUNTER.cost_profile, COUNTER.function, self._batch_of(COUNTER))))
        for function, seconds in (("fold_tiles", 60), ("seal_tiles", DAY_SECONDS)):
            recorded = self._event(COUNTER.cost_profile, function, self._rate * seconds)
            used.add(self._function(function, recorded))
            used.add(_times(recorded.usage))
            used.add(self._tables(recorded))
        return used

    def _routed(self) -> Usage:
        """Onto the bus, and into the queue of its first subscriber and out of it."""
        used = self._consumed(ROUTER)
        recorded = self._event(ROUTER.cost_profile, ROUTER.function, self._batch_of(ROUTER))
        used.add(self._tables(recorded))
        used.add(self._queued())
        return used

    def _queued(self) -> Usage:
        return _times({"sqs.request": 1 + 2 / self._assumed["subscriber_batch"]})

    def _bus(self) -> Usage:
        """A million events from a bus: through a queue into the function, which takes them in as intake does."""
        used = self._function("receive_bus_events", self._event("default", "post_events", 10))
        used.add(self._queued())
        return used

    @property
    def _predict_units(self) -> float:
        """Each request is of a user whom the copy has not met in the last minute."""
        return online.UNITS_OF_PERSON + online.UNITS_READ * online.rows_read(_views(checkout().root))

    def _request_of(self, function: str, milliseconds: float, read_units: float) -> Usage:
        """A million requests that read."""
        memory = self._deployment.memory_mb(function)
        used = _times(
            {
                "api.request": 1,
                "lambda.request": 1,
                "lambda.second": milliseconds / 1000 * memory / 1024,
                "dynamodb.read": read_units,
            }
        )
        a_request = self._assumed["access_log_bytes"] + self._assumed["platform_log_bytes"]
        used.add(self._lines(MILLION * a_request))
        return used

    def _fraud(self) -> Usage:
        """A decision on each of a million transactions, the decision's own path to the log, and its row's end."""
        used = self._consumed(SCORER)
        recorded = self._event(SCORER.cost_profile, SCORER.function, self._batch_of(SCORER))
        used.add(self._logged(recorded.usage))
        used.add(self._expired(recorded.usage))
        used.add(self._tables(recorded))
        used.add(self._consumed(ARCHIVE))
        used.add(self._routed())
        used.add(_times({"sns.publish": self._assumed["alert_share"]}))
        return used

    def _features(self) -> Usage:
        """Online rows written for a million transactions, each the only one of its user in the hour, and rows that a model reads."""
        views, recorded = _views(checkout().root), self._event(online.PROFILE, MATERIALIZE, 1)
        used = _times(recorded.usage)
        runs = MILLION / (self._rate * 3600)
        used["dynamodb.write"] += runs * online.written_by_a_run(views, self._assumed["online_merchants"])
        used["dynamodb.read"] += MILLION * online.UNITS_READ * online.rows_read(views)
        return used

    def _quarantine(self) -> Usage:
        """A million refused events: an object a request, index rows, and the request itself."""
        event = self._event("refused", "post_events", self._request)
        used = self._function("post_events", event)
        used["api.request"] += MILLION / self._request
        used.add(_times({name: value for name, value in event.usage.items() if not name.startswith("log.")}))
        used.add(self._tables(event))
        used["s3.storage"] += event.raw_bytes * MILLION / GB * 90 / DAYS_A_MONTH
        return used

    def _etl(self) -> Usage:
        """Hourly runs over a million events: the fixed cost of a run, spread over an hour's events."""
        runs = MILLION / (self._rate * 3600)
        tables, assumed = self._assumed["etl_tables"], self._assumed
        raw = self._event("mix", "archive_events", self.gathered)
        worker = "transform_partitions"
        seconds, more = (
            assumed["etl_seconds_per_million"],
            self._deployment.storage_mb(worker) - FREE_STORAGE_MB,
        )
        # Each table: prepare or transform, commit, and the states between.
        transitions = runs * (assumed["empty_run_transitions"] + 5 * tables)
        used = self._lines(transitions * assumed["state_log_bytes"])
        used["states.transition"] += transitions
        used["xray.trace"] += runs
        used["lambda.request"] += runs * (3 + 3 * tables)
        used["lambda.second"] += runs * 3 * tables * 1.7
        used["lambda.second"] += seconds * self._deployment.memory_mb(worker) / 1024
        used["lambda.storage"] += seconds * more / 1024
        used["glue.request"] += runs * 6 * tables
        if self._deployment.optimizers:
            used["glue.dpu_hour"] += runs / 24 * tables * assumed["optimizer_dpu_hours"]
        used["s3.put"] += runs * 8 * tables
        used["s3.get"] += runs * 10 * tables + raw.objects * MILLION * 2
        held = raw.raw_bytes * assumed["etl_silver_per_raw"] * MILLION / GB
        first = min(self._deployment.tables_days or assumed["lake_days"], assumed["lake_days"])
        used["s3.storage"] += held * first / DAYS_A_MONTH
        if first < assumed["lake_days"]:
            used["s3.infrequent"] += held * (assumed["lake_days"] - first) / DAYS_A_MONTH
            used["s3.transition"] += held * 1024 / assumed["silver_file_mb"]
        return used

    def _storage(self, profile: str) -> Usage:
        """Rows until they expire, with recovery where the environment has it, receipts, and raw Parquet."""
        used = Usage()
        if profile != LAKE_PROFILE:
            used.add(self._tables(self._event(profile, "post_events", self._request)))
            used.add(self._tables(self._event(profile, "project_events", self.stream_batch)))
        lake = LAKE_PROFILE if profile == LAKE_PROFILE else "mix"
        archived = self._event(lake, "archive_events", self._batch_of(ARCHIVE, profile))
        used.add(self._tables(archived))
        infrequent, expiry = self._deployment.raw_days
        days = expiry or self._assumed["lake_days"]
        gigabytes = archived.raw_bytes * MILLION / GB
        # S3 moves no object below 128 KB.
        moved = infrequent is not None and archived.raw_bytes / archived.objects >= LEAST_MOVED
        first = min(infrequent, days) if infrequent is not None and moved else days
        used["s3.storage"] += gigabytes * first / DAYS_A_MONTH
        used["s3.infrequent"] += gigabytes * (days - first) / DAYS_A_MONTH
        used["s3.transition"] += archived.objects * MILLION if days > first else 0
        return used

    def _tables(self, event: PerEvent) -> Usage:
        used = Usage()
        for name, byte_days in event.stored.items():
            table, _, kind = name.partition(".")
            months = byte_days * MILLION / GB / DAYS_A_MONTH
            used["dynamodb.storage"] += months
            if kind == "byteDays" and self._deployment.recovered(table):
                used["dynamodb.recovery"] += months
        return used

    def _function(self, stem: str, event: PerEvent) -> Usage:
        """Invocations, their time and their log lines; waiting for a store is billed as well."""
        memory = self._deployment.memory_mb(stem)
        slower = max(1.0, self._assumed["processor_mb"] / memory)
        seconds = (event.cpu_ms * slower + event.waits * self._assumed["call_ms"]) / 1000
        lines = event.log_bytes + event.invocations * (
            self._assumed["platform_log_bytes"] + 4 * self._assumed["log_line_overhead"]
        )
        used = _times(
            {
                "lambda.request": event.invocations,
                "lambda.second": seconds * memory / 1024,
                "lambda.storage": seconds * (self._deployment.storage_mb(stem) - FREE_STORAGE_MB) / 1024,
            }
        )
        used.add(self._lines(lines * MILLION))
        return used

    def _lines(self, size: float) -> Usage:
        """Bytes of log lines, and their storage until they expire."""
        held = size / GB
        months = self._deployment.log_days / DAYS_A_MONTH
        return Usage(
            {"logs.ingested": held, "logs.storage": held * self._assumed["log_stored_share"] * months}
        )

    def _event(self, profile: str, function: str, batch: float) -> PerEvent:
        return traces.per_event(profile, function, batch, self._prices)


def _times(of_event: Mapping[str, float]) -> Usage:
    return Usage({name: value * MILLION for name, value in of_event.items() if value})


@cache
def _views(root: Path) -> FeatureViews:
    """Those of a checkout, the same for each environment and rate."""
    return FeatureViews.from_json({"views": compile_views(root / "schemas")})
