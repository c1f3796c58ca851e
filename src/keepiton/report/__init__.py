"""Reports: what detection found, put into words and into formats."""
