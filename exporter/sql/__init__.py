"""SQL over trail logs: one text, run by Athena where the logs are large and by DuckDB, embedded, over files."""
