"""The audit as it is read, checked, and anchored in the lake; `core.audit` writes it."""
