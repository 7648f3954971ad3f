"""The planted faults, by subject."""

from tests.support.mutants.planted import (
    access,
    events,
    fraud,
    lakehouse,
    learning,
    measures,
    realtime,
    store,
    tiles,
)

MUTANTS = (
    *store.MUTANTS,
    *events.MUTANTS,
    *access.MUTANTS,
    *lakehouse.MUTANTS,
    *fraud.MUTANTS,
    *learning.MUTANTS,
    *tiles.MUTANTS,
    *measures.MUTANTS,
    *realtime.MUTANTS,
)
