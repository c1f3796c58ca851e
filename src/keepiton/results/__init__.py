"""Result files: written once, sealed, recovered after a crash, read by one SQL file."""
