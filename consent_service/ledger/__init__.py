"""What happened: entries, leaf hash, chain, append and verification; knows nothing above it."""
