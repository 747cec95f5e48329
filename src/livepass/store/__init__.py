"""The database: named SQL, one session over it, and an engine per database."""
