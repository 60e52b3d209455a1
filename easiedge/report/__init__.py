"""What a run found: files, tables, pictures."""
