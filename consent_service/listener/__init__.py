"""A program in front of the application that ends TLS and says which certificate the client showed.

It knows nothing of consent: it reads HTTP/1.1 requests whole, writes each anew to the application's
Unix socket, and streams the answer back. ADR 13 says why it is our own.
"""
