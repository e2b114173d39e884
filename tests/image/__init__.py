"""The image, built by the unchanged Dockerfile and run as its documentation says."""
