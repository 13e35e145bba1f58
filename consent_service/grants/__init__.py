"""What is allowed: terms, the life cycle of requests and grants, the catalogue of purposes and data sets."""
