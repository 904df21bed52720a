"""The store in a PostgreSQL database; psycopg, an extra, is imported only here."""
