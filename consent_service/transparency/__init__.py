"""The public log over HTTP, and what lies behind its entries for whoever may read that."""
