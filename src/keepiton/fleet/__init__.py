"""Results of many vantages: object stores and query engines."""
