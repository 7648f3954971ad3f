"""Generated requests against the real handler of post_events, its stores in memory; `python -m tests.support.fuzz`."""
