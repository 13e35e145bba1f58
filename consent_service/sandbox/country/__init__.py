"""The sandbox's public infrastructure: a test eID and a business register; nobody in it is real."""
