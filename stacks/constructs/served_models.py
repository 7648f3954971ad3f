"""What a function may do that serves registered models."""

from millrace.core.prefixes import MODELS
from stacks.constructs.platform_function import PlatformFunction
from stacks.storage import StorageStack


def allow_models(function: PlatformFunction, storage: StorageStack) -> None:
    """Lets a function read which version of a tenant's model is in force, and its artifact."""
    function.allow("dynamodb:GetItem", on=[storage.models.table.table_arn])
    function.allow_prefix(
        "s3:GetObject",
        bucket=storage.lake,
        prefix=MODELS,
        reason="Which version of which tenant is in force is known only when it is asked for.",
    )
