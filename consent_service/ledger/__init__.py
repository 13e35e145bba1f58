"""What happened: entries, the tree over them, appending, proving, verifying; knows nothing above it."""
