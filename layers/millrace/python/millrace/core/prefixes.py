"""The lake's top folders: who keeps what where, and what the stacks give rights to and clear by age."""

RAW = "raw/"
RAW_EVENTS = f"{RAW}events/"
# What is kept of imported files, sealed: the files, and their refused rows.
EXTERNAL_DATA = f"{RAW}external-data/"
# Where files are dropped: `imports/<org>/<event type>/<name>`.
IMPORTS = "imports/"
# The gateway's access log, for auditors.
ACCESS_LOGS = f"{RAW}logs/"
PROCESSED = "processed/"
# What materializations have written online, below the tables.
FEATURE_STATES = f"{PROCESSED}features/"
CURATED = "curated/"
# Tables about nobody, as they were released.
ANONYMISED = f"{CURATED}anonymised/"
RUNS = "runs/"
LINEAGE = "lineage/"
QUARANTINE = "quarantine/"
DEAD_LETTERS = "dead-letters/"
ATHENA_RESULTS = "athena-results/"
# Results of queries that an answer has no room for.
QUERY_RESULTS = "query-results/"
# What reconciliation has read of raw.
RECONCILE = "reconcile/"
# Registered models.
MODELS = "models/"
# The ends of the audit's chains, once a day.
AUDIT = "audit/"
ANCHORS = f"{AUDIT}anchors/"
# Certificates of erasures, and what was exported for people until it is fetched.
CERTIFICATES = "privacy/certificates/"
EXPORTS = "privacy/exports/"
# Where Lambda itself puts batches that a stream mapping gave up on. The prefix cannot be chosen.
# https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
FAILED_BATCHES = "aws/lambda/"
# Where `millrace redrive` puts what it has fed.
REDRIVEN = "redriven/"
