"""The planted faults, by subject."""

from tests.support.mutants.planted import (
    access,
    audit,
    events,
    fraud,
    lakehouse,
    learning,
    measures,
    personal_data,
    policies,
    privacy,
    queries,
    realtime,
    store,
    tiles,
    user_ids,
    webhooks,
)

MUTANTS = (
    *store.MUTANTS,
    *events.MUTANTS,
    *access.MUTANTS,
    *audit.MUTANTS,
    *privacy.MUTANTS,
    *lakehouse.MUTANTS,
    *fraud.MUTANTS,
    *learning.MUTANTS,
    *tiles.MUTANTS,
    *measures.MUTANTS,
    *personal_data.MUTANTS,
    *policies.MUTANTS,
    *queries.MUTANTS,
    *realtime.MUTANTS,
    *user_ids.MUTANTS,
    *webhooks.MUTANTS,
)
