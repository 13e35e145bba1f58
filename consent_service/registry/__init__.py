"""Who takes part: organisations and their identifiers, persons and their sign-in, representation, clients."""
