"""Patterns: events that belong together, or one that does not come, found as events come and told by an alert."""
