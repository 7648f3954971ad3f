"""How much a tenant and each of its credentials may ask for: token buckets, in each warm function or in Valkey."""
