"""The append-only history: schema, one writer, questions and inserts by noun."""
