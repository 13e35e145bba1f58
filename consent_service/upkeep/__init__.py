"""What the service does by itself so that nobody has to remember it: keys in time, tables in bounds."""
