"""Alembic migrations of the state database; they import no domain."""
