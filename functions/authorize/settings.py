"""Settings of the authorizer."""

from millrace.core.settings import FunctionSettings
from millrace.core.uses import METADATA, uses


class Settings(FunctionSettings):
    """Where credentials are looked up, and when a key was used is written; whose access tokens are users'.

    `user_pool_issuer` and `user_pool_client_id` are what a token says of itself.
    """

    metadata_table: str = uses(METADATA, "get", "put", "update")
    user_pool_issuer: str
    user_pool_client_id: str
