"""What `linli-edge check` looks at, one module a thing; each returns findings that say what to do."""
