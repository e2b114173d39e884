"""The demo front: a small service to protect, a policy for it, and a tour of both."""
