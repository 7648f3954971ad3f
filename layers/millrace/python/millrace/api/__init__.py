"""The HTTP API: from a request's parameters to one call of a capability, and its answer."""
