"""The sandbox's ERP system: real bookkeeping (SAF-T) made into statements, served under a grant."""
