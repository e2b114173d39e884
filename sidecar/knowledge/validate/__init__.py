"""What rules read in request bodies: strict content, items, schemas, tenants, storage keys."""
