"""Keys, indexes and expiry of the seven tables. The storage stack derives the tables from these models.

Attribute names are what a row really carries. A key that holds more than one fact (`org#type#shard`) has a
name of its own, so that the plain attribute beside it can be filtered on. Hot paths do not go through these
models: they use the low-level client with the keys of `core.keys`.
"""

from pynamodb.attributes import BinaryAttribute, NumberAttribute, TTLAttribute, UnicodeAttribute
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection
from pynamodb.models import Model


class _EventsByType(GlobalSecondaryIndex["Events"]):
    class Meta:
        index_name = "eventType-timestamp-index"
        projection = KeysOnlyProjection()

    typeKey = UnicodeAttribute(hash_key=True)
    sortKey = UnicodeAttribute(range_key=True)


class _EventsByUser(GlobalSecondaryIndex["Events"]):
    class Meta:
        index_name = "userId-timestamp-index"
        projection = KeysOnlyProjection()

    userKey = UnicodeAttribute(hash_key=True)
    sortKey = UnicodeAttribute(range_key=True)


class _EventsByCorrelation(GlobalSecondaryIndex["Events"]):
    class Meta:
        index_name = "correlationId-timestamp-index"
        projection = KeysOnlyProjection()

    correlationKey = UnicodeAttribute(hash_key=True)
    sortKey = UnicodeAttribute(range_key=True)


class _EventsByEntity(GlobalSecondaryIndex["Events"]):
    class Meta:
        index_name = "entity-timestamp-index"
        projection = KeysOnlyProjection()

    entityKey = UnicodeAttribute(hash_key=True)
    sortKey = UnicodeAttribute(range_key=True)


class Events(Model):
    """One row per accepted event. No sort key: with the timestamp in the key one id could exist twice."""

    class Meta:
        table_name = "Events"

    eventId = UnicodeAttribute(hash_key=True)
    eventType = UnicodeAttribute()
    orgId = UnicodeAttribute()
    receivedAt = UnicodeAttribute()
    requestId = UnicodeAttribute()
    fingerprint = BinaryAttribute(legacy_encoding=False)
    body = BinaryAttribute(legacy_encoding=False)
    dict = UnicodeAttribute()
    expiresAt = TTLAttribute()
    typeKey = UnicodeAttribute(null=True)
    userKey = UnicodeAttribute(null=True)
    correlationKey = UnicodeAttribute(null=True)
    entityKey = UnicodeAttribute(null=True)
    sortKey = UnicodeAttribute()
    by_type = _EventsByType()
    by_user = _EventsByUser()
    by_correlation = _EventsByCorrelation()
    by_entity = _EventsByEntity()


class _UserEventsByType(GlobalSecondaryIndex["UserEvents"]):
    class Meta:
        index_name = "eventType-timestamp-index"
        projection = KeysOnlyProjection()

    typeKey = UnicodeAttribute(hash_key=True)
    sortKey = UnicodeAttribute(range_key=True)


class _UserEventsBySession(GlobalSecondaryIndex["UserEvents"]):
    class Meta:
        index_name = "sessionId-timestamp-index"
        projection = KeysOnlyProjection()

    sessionKey = UnicodeAttribute(hash_key=True)
    sortKey = UnicodeAttribute(range_key=True)


class UserEvents(Model):
    """Pointers from a user, or from a session without a user, to the events in their order."""

    class Meta:
        table_name = "UserEvents"

    userKey = UnicodeAttribute(hash_key=True)
    sortKey = UnicodeAttribute(range_key=True)
    projectedAt = UnicodeAttribute()
    typeKey = UnicodeAttribute(null=True)
    sessionKey = UnicodeAttribute(null=True)
    expiresAt = TTLAttribute()
    by_type = _UserEventsByType()
    by_session = _UserEventsBySession()


class _AnalyticsByUser(GlobalSecondaryIndex["Analytics"]):
    class Meta:
        index_name = "userId-metricType-index"
        projection = KeysOnlyProjection()

    userKey = UnicodeAttribute(hash_key=True)
    metricKey = UnicodeAttribute(range_key=True)


class _AnalyticsByType(GlobalSecondaryIndex["Analytics"]):
    class Meta:
        index_name = "eventType-date-index"
        projection = KeysOnlyProjection()

    typeKey = UnicodeAttribute(hash_key=True)
    date = UnicodeAttribute(range_key=True)


class Analytics(Model):
    """Tiles of aggregates: `org#metric#date`, `key#tile start#part`."""

    class Meta:
        table_name = "Analytics"

    metricKey = UnicodeAttribute(hash_key=True)
    tileKey = UnicodeAttribute(range_key=True)
    userKey = UnicodeAttribute(null=True)
    typeKey = UnicodeAttribute(null=True)
    date = UnicodeAttribute(null=True)
    expiresAt = TTLAttribute()
    by_user = _AnalyticsByUser()
    by_type = _AnalyticsByType()


class _MetadataByUser(GlobalSecondaryIndex["Metadata"]):
    class Meta:
        index_name = "userId-status-index"
        projection = KeysOnlyProjection()

    userKey = UnicodeAttribute(hash_key=True)
    status = UnicodeAttribute(range_key=True)


class Metadata(Model):
    """Small facts of many kinds. Only rows that can be made again set `expiresAt`."""

    class Meta:
        table_name = "Metadata"

    entityTypeKey = UnicodeAttribute(hash_key=True)
    entityId = UnicodeAttribute(range_key=True)
    userKey = UnicodeAttribute(null=True)
    status = UnicodeAttribute(null=True)
    expiresAt = TTLAttribute(null=True)
    by_user = _MetadataByUser()


class _ModelsByType(GlobalSecondaryIndex["MLModels"]):
    class Meta:
        index_name = "modelType-status-index"
        projection = KeysOnlyProjection()

    typeKey = UnicodeAttribute(hash_key=True)
    status = UnicodeAttribute(range_key=True)


class _ModelsByPerformance(GlobalSecondaryIndex["MLModels"]):
    class Meta:
        index_name = "performance-version-index"
        projection = KeysOnlyProjection()

    performanceKey = UnicodeAttribute(hash_key=True)
    performance = UnicodeAttribute(range_key=True)


class MLModels(Model):
    """Registered models: `org or platform#modelId`, zero-padded version. Nothing here expires."""

    class Meta:
        table_name = "MLModels"

    modelKey = UnicodeAttribute(hash_key=True)
    version = UnicodeAttribute(range_key=True)
    typeKey = UnicodeAttribute(null=True)
    status = UnicodeAttribute(null=True)
    performanceKey = UnicodeAttribute(null=True)
    performance = UnicodeAttribute(null=True)
    by_type = _ModelsByType()
    by_performance = _ModelsByPerformance()


class _FeaturesByName(GlobalSecondaryIndex["FeatureStore"]):
    class Meta:
        index_name = "featureName-dataType-index"
        projection = KeysOnlyProjection()

    featureName = UnicodeAttribute(hash_key=True)
    dataType = UnicodeAttribute(range_key=True)


class FeatureStore(Model):
    """Online features and profiles: `org#group#entity`, `LATEST` or a UTC moment."""

    class Meta:
        table_name = "FeatureStore"

    featureKey = UnicodeAttribute(hash_key=True)
    sortKey = UnicodeAttribute(range_key=True)
    featureName = UnicodeAttribute(null=True)
    dataType = UnicodeAttribute(null=True)
    expiresAt = TTLAttribute()
    by_name = _FeaturesByName()


class _ListedPeople(GlobalSecondaryIndex["SubjectKeys"]):
    class Meta:
        index_name = "listed-index"
        projection = KeysOnlyProjection()

    listedKey = UnicodeAttribute(hash_key=True)
    listed = UnicodeAttribute(range_key=True)


class SubjectKeys(Model):
    """One wrapped key per person. Erasure deletes the row, so this table is never backed up."""

    class Meta:
        table_name = "SubjectKeys"

    subjectKey = UnicodeAttribute(hash_key=True)
    version = NumberAttribute(null=True)
    # Of those only whose rows reads leave out.
    listedKey = UnicodeAttribute(null=True)
    listed = UnicodeAttribute(null=True)
    by_listed = _ListedPeople()


TABLES: tuple[type[Model], ...] = (
    Events,
    UserEvents,
    Analytics,
    Metadata,
    MLModels,
    FeatureStore,
    SubjectKeys,
)
