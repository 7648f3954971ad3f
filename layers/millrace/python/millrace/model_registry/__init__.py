"""Registered models: what was trained, which version serves, and every move between versions."""
