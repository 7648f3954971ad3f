"""Runs of the pipeline: their names and intervals, how they start, and the documents that their steps leave."""
