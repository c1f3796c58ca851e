"""Result files: rows, writer, seals, reader, and the data folder's own state."""
