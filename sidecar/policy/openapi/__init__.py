"""An OpenAPI 3.1 document as a source of routes and of schemas for bodies (RQ-3)."""
