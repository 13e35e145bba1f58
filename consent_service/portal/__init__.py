"""Pages for the person who acts for an owner."""
