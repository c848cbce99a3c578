"""The state database: SQL stands here and nowhere else."""
