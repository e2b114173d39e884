"""Attacks as data: malformed requests, malformed answers, and odd ones that are right."""
