"""SQLAlchemy on SQLite and PostgreSQL; takes and returns domain values, never rows."""
