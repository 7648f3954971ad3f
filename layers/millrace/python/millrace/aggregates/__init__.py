"""Aggregates of events in five-minute tiles: counted from the stream, sealed from silver, read as windows."""
