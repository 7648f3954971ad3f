"""Sigma rules over the stream of events: what matches raises an alert."""
