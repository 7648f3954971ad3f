"""Webhooks: deliveries of providers, verified with their own signatures, mapped to events of ours. Pure but for `secrets`."""
