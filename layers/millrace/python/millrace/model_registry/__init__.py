"""Registered models: their artifacts and versions, which version serves, and every change of it."""
