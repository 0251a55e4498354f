"""Label maps: read from image files, mapped to class indices, and found beside the images that they belong to."""
