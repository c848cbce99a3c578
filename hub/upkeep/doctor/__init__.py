"""What `linli-hub doctor` looks at, one module a thing; each finding says what is wrong and what to do."""
