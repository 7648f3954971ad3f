"""The event store: the tables' keys, the stored row of an event, and the reads by id and by index."""
