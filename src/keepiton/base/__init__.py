"""What every room builds on: errors, scalar types, languages, addresses and names."""
