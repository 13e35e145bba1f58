"""The authorisation server: a file for each standard or endpoint, Authlib's server as the spine."""
