"""A file that is refused as a whole."""

from millrace.core.errors import PermanentError


class RefusedFileError(PermanentError):
    """No row of the file can be taken, or no further one; the message says why, and quotes nothing of the file.

    Attributes:
        reason: one of `REASONS`.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


REASONS = {
    "no_rows": "The file is empty, or holds a header alone.",
    "options": "What is declared about the file is not understood, or does not fit it.",
    "encoding": "Its encoding cannot be told, or is not the declared one.",
    "columns": "It has too many columns, two of one name, or none of the contract's.",
    "not_gzip": "It is named or declared as gzip, and is not, or ends too early.",
    "inflates_too_far": "Inflated it is far larger than packed, or larger than the limit.",
    "too_large": "It has more bytes or rows than an import takes.",
    "not_parquet": "It is named as Parquet, and cannot be read as that.",
    "unknown_type": "No contract describes the event type of its folder, or only the platform sends it.",
    "removed": "What was kept of it was removed for the erasure of a person while it was read.",
    "replaced": "Another file has taken its name while it was read.",
}
