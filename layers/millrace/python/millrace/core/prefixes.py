"""The lake's top folders: who keeps what where, and what the stacks give rights to and clear by age."""

RAW = "raw/"
RAW_EVENTS = f"{RAW}events/"
PROCESSED = "processed/"
# What materializations have written online, below the tables.
FEATURE_STATES = f"{PROCESSED}features/"
CURATED = "curated/"
RUNS = "runs/"
LINEAGE = "lineage/"
QUARANTINE = "quarantine/"
DEAD_LETTERS = "dead-letters/"
ATHENA_RESULTS = "athena-results/"
# What reconciliation has read of raw.
RECONCILE = "reconcile/"
# Registered models.
MODELS = "models/"
# Where Lambda itself puts batches that a stream mapping gave up on. The prefix cannot be chosen.
# https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
FAILED_BATCHES = "aws/lambda/"
# Where `millrace redrive` puts what it has fed.
REDRIVEN = "redriven/"
