"""Ways in that are bound to a tenant: what feeds intake beside the API, as `schemas/sources/` says it."""
