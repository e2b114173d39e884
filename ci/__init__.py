"""What CI runs beside the ordinary tools."""
