"""What every HTTP edge shares: server-side sessions, security headers, request ids, logs."""
