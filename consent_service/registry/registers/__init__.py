"""One adapter a business register behind one interface."""
