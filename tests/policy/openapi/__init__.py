"""The policy language, judged by what it makes of texts."""
