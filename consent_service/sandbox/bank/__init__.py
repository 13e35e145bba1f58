"""The sandbox's bank: a requesting party that asks for a credit check, reads, and is refused."""
