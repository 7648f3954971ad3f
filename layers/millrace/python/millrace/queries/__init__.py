"""SQL of people over the lake: judged by DuckDB's own parser, and run on what the caller may see, away from everything else."""
