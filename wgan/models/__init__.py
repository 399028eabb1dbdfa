"""What is trained, without files, flags or printing."""
